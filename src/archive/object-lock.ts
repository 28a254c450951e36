/** How long a store keeps a file from everybody: S3 Object Lock. */
export interface ObjectLock {
  /** COMPLIANCE: nobody can shorten it. GOVERNANCE: who may `s3:BypassGovernanceRetention` can. */
  readonly mode: 'COMPLIANCE' | 'GOVERNANCE'
  /** RFC 3339, in whole seconds. */
  readonly until: string
}

const UNTIL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/

export function isObjectLock(value: unknown): value is ObjectLock {
  const { mode, until } = Object(value) as Partial<ObjectLock>
  return (mode === 'COMPLIANCE' || mode === 'GOVERNANCE') && typeof until === 'string' && UNTIL.test(until)
}

/** @param ms since the Unix epoch */
export function lockUntil(mode: ObjectLock['mode'], ms: number): ObjectLock {
  return { mode, until: `${new Date(ms).toISOString().slice(0, 19)}Z` }
}

/** The first keeps a file as well as the second, or better. */
export function isAsStrong(one: ObjectLock, other: ObjectLock): boolean {
  return (
    (one.mode === other.mode || one.mode === 'COMPLIANCE') && Date.parse(one.until) >= Date.parse(other.until)
  )
}

/** The later of two, of the stronger mode. */
export function strongest(locks: readonly ObjectLock[]): ObjectLock | undefined {
  const [first, ...rest] = locks
  if (first === undefined) return undefined
  return rest.reduce(
    (most, one) => ({
      mode: one.mode === 'COMPLIANCE' ? one.mode : most.mode,
      until: Date.parse(one.until) > Date.parse(most.until) ? one.until : most.until,
    }),
    first,
  )
}
