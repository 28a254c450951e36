import { namesOwn, type ResolvedFilter } from './filter.js'
import { TRAIL_OPERATIONS } from '../event/vocabulary.js'

/** What the trail records about itself is not an access to a credential. */
const ACCESS = `operation not in (${TRAIL_OPERATIONS.map((name) => `'${name}'`).join(', ')})`

/** Of an access: it was not granted. */
export const DENIED = `outcome not in ('ok', 'requested')`

/** What counts as an access: also the trail's own rows, where they are asked for by name. */
export function accessCondition({ terms }: ResolvedFilter): string {
  return namesOwn(terms) ? 'true' : ACCESS
}
