/** As much of a page as modules ask for that could do without one: imported before them. */
/** @type {any} */ (globalThis).document ??= {documentElement: {dataset: {}}, addEventListener() {}};
