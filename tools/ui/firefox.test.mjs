/** Every page and every flow of the web interface in Firefox ESR too. */
process.env.PAGES_BROWSER = 'firefox';
await import('./interface.test.mjs');
