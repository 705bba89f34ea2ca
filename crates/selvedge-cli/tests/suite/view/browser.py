def use(tab, seen):
    """Looks into a run that goes on."""
    tab.call("Page.navigate", url=page)
    tab.until("document.readyState === 'complete' && document.querySelector('footer') !== null")
    tab.until("document.querySelector('.look .picture canvas') !== null && document.querySelector('.uplot canvas') !== null")
    seen["title"] = tab.value("document.title")
    seen["ran"] = tab.value("typeof window.pwned")
    state = "document.querySelector('.badge').textContent"
    seen["state"] = tab.value(state)
    # It grows by itself, and the step that is shown is the last.
    shown = "document.querySelector('.look .wide h3').textContent"
    before = tab.value(shown)
    tab.until(f"{shown} !== {json.dumps(before)}")
    tab.until(f"{state} !== {json.dumps(seen['state'])}")
    seen["last"] = [before, tab.value(shown)]
    seen["histogram"] = tab.value("document.querySelector('.side dl').textContent")
    # A step that is named stays.
    tab.value("(() => { const step = document.querySelector('.controls input[type=number]'); step.value = 3; step.dispatchEvent(new Event('change')); })()")
    tab.until(f"{shown} === 'values at step 3'")
    tab.value("(() => { const of = document.querySelector('.controls select'); of.value = 'change'; of.dispatchEvent(new Event('change')); })()")
    tab.until(f"{shown} === 'change at step 3'")
    tab.value("(() => { const row = [...document.querySelectorAll('.controls input[type=number]')][1]; row.value = 1; row.dispatchEvent(new Event('change')); })()")
    tab.until("document.querySelector('.look .row h3') !== null")
    seen["row"] = tab.value("document.querySelector('.look .row h3').textContent")
    tab.value("document.querySelectorAll('details.tensor').forEach((tensor) => { tensor.open = true; })")
    tab.value("document.querySelectorAll('button[aria-pressed]').forEach((button) => button.click())")
    tab.value("document.querySelector('.top button').click()")
    time.sleep(0.5)
    seen["wider"] = tab.value("document.documentElement.scrollWidth - innerWidth")
    tab.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=False)
    time.sleep(0.5)
    seen["wider at 400"] = tab.value("document.documentElement.scrollWidth - innerWidth")
    tab.call("Emulation.clearDeviceMetricsOverride")
    if pictures:
        tab.value("document.querySelectorAll('.look button[aria-pressed], .card button[aria-pressed=true]').forEach((button) => button.click())")
        tab.value("scrollTo(0, 0)")
        tab.look("light.png", 1200, 3000)
        tab.look("dark.png", 1200, 3000, dark=True)
        tab.look("narrow.png", 400, 4000)


page = sys.argv[1]
drive(page, use)
