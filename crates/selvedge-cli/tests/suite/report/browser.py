def use(tab, seen):
    """Hovers, zooms and changes colours, as a reader would."""
    tab.call("Page.navigate", url=page)
    tab.until("document.readyState === 'complete' && document.querySelector('footer') !== null")
    tab.value("document.querySelectorAll('details.tensor').forEach((tensor) => { tensor.open = true; })")
    tab.until("document.querySelector('.plot, .picture') === null || document.querySelector('.uplot canvas') !== null")
    seen["title"] = tab.value("document.title")
    seen["heading"] = tab.value("document.querySelector('h1').textContent")
    seen["ran"] = tab.value("typeof window.pwned")
    seen["scripts"] = tab.value("document.scripts.length")
    seen["wider"] = tab.value("document.documentElement.scrollWidth - innerWidth")
    seen["ticks"] = tab.value("apart([56.67, 56.67000002, 56.67000004], short)")
    lines = "[{ label: 'a', colour: '--c0', x: [0, 1, 2], mean: [1, 2, NaN] }]"
    tab.value(f"root.prepend(window.made = chart({{ title: 'ends in NaN', lines: {lines} }}))")
    tab.value("scrollTo(0, 0)")
    tab.until("made.querySelector('b').textContent !== ''")
    seen["legend"] = tab.value("made.querySelector('.legend').textContent")
    tab.value("made.remove()")

    picture = "[...document.querySelectorAll('.picture canvas')][0]"
    if tab.value(f"{picture} !== undefined"):
        place = f"(({{x, y, width, height}}) => [x, y, width, height])({picture}.getBoundingClientRect())"
        # What is drawn above it moves it, until all is: a few charts in each frame.
        for _ in range(100):
            tab.value(f"{picture}.scrollIntoView({{block: 'center'}})")
            time.sleep(0.2)
            tab.until("waiting.size === 0")
            left, top, width, height = tab.value(place)
            at = lambda x, y: (left + x * width, top + y * height)
            tab.mouse("mouseMoved", *at(0.5, 0.3))
            tab.mouse("mouseMoved", *at(0.5, 0.4))
            is_still = tab.value("waiting.size === 0") and tab.value(place) == [left, top, width, height]
            if is_still and tab.value("!document.querySelector('.tip').hidden"):
                break
        seen["hover"] = tab.value("document.querySelector('.tip').textContent")
        whole = "[...document.querySelectorAll('.picture')][0].parentElement.querySelector('.head > button:last-child')"
        tab.mouse("mousePressed", *at(0.4, 0.2), button="left", clickCount=1)
        tab.mouse("mouseMoved", *at(0.6, 0.6), button="left", buttons=1)
        tab.mouse("mouseReleased", *at(0.6, 0.6), button="left", clickCount=1)
        seen["zoomed"] = tab.value(f"!{whole}.hidden")
        tab.mouse("mouseMoved", *at(0.12, 0.05))
        seen["zoomed hover"] = tab.value("document.querySelector('.tip').textContent")
        for count in (1, 2):
            for kind in ("mousePressed", "mouseReleased"):
                tab.mouse(kind, *at(0.5, 0.4), button="left", clickCount=count)
        seen["whole again"] = tab.value(f"{whole}.hidden")

    seen["theme"] = [tab.value("document.documentElement.dataset.theme")]
    tab.value("document.querySelector('.top button').click()")
    seen["theme"].append(tab.value("document.documentElement.dataset.theme"))
    tab.value("document.querySelector('.top button').click()")
    # Each toggle, twice.
    for _ in range(2):
        tab.value("document.querySelectorAll('button[aria-pressed]').forEach((button) => button.click())")
    tab.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=False)
    time.sleep(0.5)
    seen["wider at 400"] = tab.value("document.documentElement.scrollWidth - innerWidth")
    tab.call("Emulation.clearDeviceMetricsOverride")
    if pictures:
        tab.value("scrollTo(0, 0)")
        tab.look("light.png", 1200, 6000)
        tab.look("dark.png", 1200, 6000, dark=True)
        tab.look("narrow.png", 400, 9000)
        printed = tab.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        with open(os.path.join(pictures, "printed.pdf"), "wb") as file:
            file.write(base64.b64decode(printed["data"]))


page = "file://" + os.path.abspath(sys.argv[1])
drive(page, use)
