/**
 * The theme that the visitor has chosen, before the first paint: a classic script, because modules
 * run after it. `data-theme` on `<html>` is `light` or `dark`; without it the system decides.
 */
(() => {
    try {
        const theme = localStorage.getItem('rs.theme');
        if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
    } catch {
        // Storage is not allowed here: the system decides.
    }
})();
