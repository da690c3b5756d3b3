/**
 * Styles of an element in the document or shadow tree that holds it; works under a strict
 * content security policy.
 */

/** @typedef {{text: string, sheet?: CSSStyleSheet, roots?: WeakSet<Node>}} Styles */

/**
 * @param {Node} root
 * @param {Styles} styles added once per root
 */
export function adopt(root, styles) {
    if (!(root instanceof Document || root instanceof ShadowRoot)) return;
    styles.roots ??= new WeakSet();
    if (styles.roots.has(root)) return;
    styles.roots.add(root);
    if (!styles.sheet) {
        styles.sheet = new CSSStyleSheet();
        styles.sheet.replaceSync(styles.text);
    }
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, styles.sheet];
}
