import type { ExistingGrant } from './adopt-table.js'
import { quoteIdentifier } from '../schema-name.js'

/**
 * Who could read and insert still can. What else was granted (UPDATE, DELETE, TRUNCATE; TRIGGER, with which inserts can be
 * made to vanish) has no place on a trail.
 */
const CARRIED = new Set(['SELECT', 'INSERT'])

export function grantStatements(grants: readonly ExistingGrant[], schema: string): string[] {
  return grants
    .filter(({ privilege }) => CARRIED.has(privilege))
    .map(({ grantee, privilege, column, grantable }) => {
      const what = column === null ? privilege : `${privilege} (${quoteIdentifier(column)})`
      const whom = grantee === null ? 'public' : quoteIdentifier(grantee)
      return `grant ${what.toLowerCase()} on "${schema}".secret_audit to ${whom}${grantable ? ' with grant option' : ''};`
    })
}

/** What is not carried over, in words for the operator. */
export function withheldGrants(grants: readonly ExistingGrant[]): string[] {
  return [
    ...new Set(
      grants
        .filter(({ privilege }) => !CARRIED.has(privilege))
        .map(({ grantee, privilege }) => `${privilege} of ${grantee ?? 'PUBLIC'}`),
    ),
  ]
}
