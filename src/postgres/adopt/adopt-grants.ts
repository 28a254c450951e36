import type { ExistingGrant } from './adopt-table.js'
import { quoteIdentifier } from '../schema-name.js'

/**
 * Roles that could read and insert still can; PUBLIC cannot. What else was granted (UPDATE, DELETE, TRUNCATE; TRIGGER, with which inserts can be
 * made to vanish) has no place on a trail.
 */
const CARRIED = new Set(['SELECT', 'INSERT'])

function isCarried(grant: ExistingGrant): grant is ExistingGrant & { readonly grantee: string } {
  return grant.grantee !== null && CARRIED.has(grant.privilege)
}

export function grantStatements(grants: readonly ExistingGrant[], schema: string): string[] {
  return grants.filter(isCarried).map(({ grantee, privilege, column, grantable }) => {
    const what = column === null ? privilege : `${privilege} (${quoteIdentifier(column)})`
    return `grant ${what.toLowerCase()} on "${schema}".secret_audit to ${quoteIdentifier(grantee)}${grantable ? ' with grant option' : ''};`
  })
}

/** What is not carried over, in words for the operator. */
export function withheldGrants(grants: readonly ExistingGrant[]): string[] {
  return [
    ...new Set(
      grants
        .filter((grant) => !isCarried(grant))
        .map(({ grantee, privilege }) => `${privilege} of ${grantee ?? 'PUBLIC'}`),
    ),
  ]
}
