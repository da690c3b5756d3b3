// For pages of one's own that load it, as they did with go2rtc: links to the others.
{
    const nav = document.createElement('nav');
    for (const name of ['go2rtc', 'add', 'config', 'log', 'net']) {
        const link = document.createElement('a');
        link.href = new URL(name === 'go2rtc' ? './' : `${name}.html`, /** @type {HTMLScriptElement} */ (document.currentScript).src).href;
        link.textContent = name;
        nav.append(link, ' ');
    }
    document.body.prepend(nav);
}
