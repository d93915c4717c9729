/** Product version; a test holds it equal to package.json. The wire protocol has a version of its own. */
export const VERSION = '0.1.0'
