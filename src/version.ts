/** The version of this build: put in when the shipped file is made, `development` when run from source. */

declare const FIELDPOST_VERSION: string | undefined;

export const VERSION: string = typeof FIELDPOST_VERSION === 'string' ? FIELDPOST_VERSION : 'development';
