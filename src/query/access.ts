import { namesOwn, type ResolvedFilter } from './filter.js'

/** What the trail records about itself is not an access to a credential. */
const ACCESS = `operation not in (
  'audit_lifecycle', 'audit_gap', 'audit_coverage', 'audit_quarantine', 'query_trail', 'export_trail'
)`

/** Of an access: it was not granted. */
export const DENIED = `outcome not in ('ok', 'requested')`

/** What counts as an access: also the trail's own rows, where they are asked for by name. */
export function accessCondition({ terms }: ResolvedFilter): string {
  return namesOwn(terms) ? 'true' : ACCESS
}
