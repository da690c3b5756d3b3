/**
 * What has to be known before the first paint: the theme that the visitor has chosen, and the language, whose words are asked
 * for beside the modules; and what the page will ask the server for first (`data-ask`), which `lib/server.js` takes up. A classic script, because modules run after it. `data-theme` on `<html>` is `light` or `dark`, without it the
 * system decides; `data-language` comes from `?lang`, from what was chosen before, or from the browser. Pages that begin with a player say so (`data-player`).
 */
(() => {
    const root = document.documentElement, known = ['en', 'zh'];
    /** @param {string} name @param {string} [value] */
    const stored = (name, value) => {
        try {
            if (value !== undefined) localStorage.setItem(name, value);
            return localStorage.getItem(name);
        } catch {
            // Storage is not allowed here.
            return null;
        }
    };
    const theme = stored('rs.theme');
    if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;

    const asked = new URLSearchParams(location.search).get('lang') ?? '';
    if (known.includes(asked)) stored('rs.lang', asked);
    const wishes = [asked, stored('rs.lang') ?? '', ...(navigator.languages ?? [])].map(tag => tag.toLowerCase().split('-')[0]);
    const language = wishes.find(tag => known.includes(tag)) ?? 'en';
    root.dataset.language = language;
    root.lang = language === 'zh' ? 'zh-CN' : language;
    const files = [language], {ask, player} = document.currentScript?.dataset ?? {};
    if (language === 'zh' && player !== undefined) files.push('player-zh');
    const words = Promise.all(files.map(file => new Promise(done => {
        const link = document.createElement('link');
        link.rel = 'modulepreload';
        link.href = `i18n/${file}.js`;
        link.onload = link.onerror = done;
        document.head.append(link);
    })));
    if (ask) {
        const response = fetch(ask, {cache: 'no-store', signal: AbortSignal.timeout(15_000)}).then(async answer => {
            if (answer.status !== 200) return answer;
            const text = await answer.text();
            // What plays is needed at once where something runs, which has a format.
            if (/"format_name"/.test(text)) words.then(() => {
                for (const link of document.querySelectorAll('link[rel=later]')) link.setAttribute('rel', 'modulepreload');
            });
            return new Response(text, answer);
        });
        // Whoever takes it up hears of its failure.
        response.catch(() => {});
        /** @type {any} */ (window).early = {path: ask, response};
    }
})();
