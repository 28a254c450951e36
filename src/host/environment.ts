/** `process.env`, or what stands in for it. */
export type Environment = Readonly<Record<string, string | undefined>>
