/** The URL of a database, or what gives it: called at each connect, since passwords are rotated. */
export type DatabaseUrl = string | (() => string | Promise<string>)
