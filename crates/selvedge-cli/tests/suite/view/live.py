def use(tab, seen):
    """Watches a run of 1,000 steps a second, and what that costs the page and the server, early and late."""
    tab.call("Page.navigate", url=page)
    tab.until("document.readyState === 'complete' && document.querySelector('footer') !== null")
    tab.until("document.querySelector('.look .picture canvas') !== null && document.querySelector('.uplot canvas') !== null")
    # A row over all steps goes on, too.
    tab.value("(() => { const row = [...document.querySelectorAll('.controls input[type=number]')][1]; row.value = 1; row.dispatchEvent(new Event('change')); })()")
    tab.until("document.querySelector('.look .row canvas') !== null")
    # Time of the processor, which does not depend on what else the machine does.
    tab.call("Performance.enable", timeDomain="threadTicks")
    tab.value("""(() => {
        window.seen = { frames: 0, longest: 0, updates: 0, bytes: 0 };
        const asked = window.fetch;
        window.fetch = async (...arguments_) => {
            const response = await asked(...arguments_);
            if (String(arguments_[0]).startsWith("news")) window.seen.updates += 1;
            window.seen.bytes += Number(response.headers.get("content-length"));
            return response;
        };
        let before = performance.now();
        const frame = (now) => {
            window.seen.frames += 1;
            window.seen.longest = Math.max(window.seen.longest, now - before);
            before = now;
            requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
    })()""")

    def work():
        metrics = {metric["name"]: metric["value"] for metric in tab.call("Performance.getMetrics")["metrics"]}
        with open(f"/proc/{sys.argv[3]}/stat") as stat:
            times = stat.read().rsplit(")", 1)[1].split()
        server = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
        steps = tab.value("DATA.files[0].steps")
        return {**tab.value("({ ...seen })"), "page": metrics["TaskDuration"], "server": server, "steps": steps, "at": time.time()}

    for name, steps in (("early", 1_000), ("late", 10_000)):
        tab.until(f"DATA.files[0].steps >= {steps}")
        before = work()
        tab.value("seen.longest = 0")
        time.sleep(5)
        after = work()
        seen[name] = {key: after[key] - before[key] for key in before} | {"longest": after["longest"]}
    seen["row"] = tab.value("document.querySelector('.look .row h3').textContent")
    tab.look("live.png", 1200, 2400)


page = sys.argv[1]
drive(page, use)
