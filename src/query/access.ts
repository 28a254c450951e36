import { TRAIL_CREDENTIAL } from '../event/self-rows.js'
import { TRAIL_OPERATIONS } from '../event/vocabulary.js'
import type { ResolvedFilter } from './filter.js'

/** What the trail records about itself is not an access to a credential. */
const ACCESS = `operation not in (${TRAIL_OPERATIONS.map((name) => `'${name}'`).join(', ')})`

/** Of an access: it was not granted. */
export const DENIED = `outcome not in ('ok', 'requested')`

/** What counts as an access: also the trail's own rows, where they are asked for by name. */
export function accessCondition({ terms }: ResolvedFilter): string {
  const ofTrail = terms['credential']?.any.some(
    ({ kind, text }) => kind === 'is' && text === TRAIL_CREDENTIAL,
  )
  const ofOperation = terms['operation']?.any.some(({ text }) => TRAIL_OPERATIONS.includes(text))
  return ofTrail === true || ofOperation === true ? 'true' : ACCESS
}
