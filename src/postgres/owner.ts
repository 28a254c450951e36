import type { ClientBase } from 'pg'
import type { HealthFinding } from '../contract/sink.js'
import { quoteIdentifier, quotedSchema, roleNames } from './schema-name.js'

/** The check that a service does not run as the owner of its trail. */
export const OWNER_CHECK = 'owner'

/**
 * Whether this session may rewrite the trail and its bounds: as a superuser, as the owner of the trail or of its schema, or
 * as a member of one of them. Of both the role that logged in and the one it has taken.
 *
 * @returns a warning; whether it is worse than that depends on what the service is for
 */
export async function ownerFinding(client: ClientBase, schema: string): Promise<HealthFinding | undefined> {
  const { rows } = await client.query<{ who: string; how: string }>(
    `select who.name as who, case when r.rolsuper then 'a superuser' else 'the owner of the trail' end as how
     from (values (current_user), (session_user)) who (name)
     join pg_roles r on r.rolname = who.name
     where r.rolsuper or exists (
       select from pg_class c where c.oid in (to_regclass($1), to_regclass($2)) and pg_has_role(who.name, c.relowner, 'MEMBER')
     ) or exists (select from pg_namespace n where n.oid = to_regnamespace($3) and pg_has_role(who.name, n.nspowner, 'MEMBER'))
     limit 1`,
    [
      `${quotedSchema(schema)}.secret_audit`,
      `${quotedSchema(schema)}.secret_audit_block`,
      quotedSchema(schema),
    ],
  )
  const [owner] = rows
  if (owner === undefined) return undefined
  const { writer } = roleNames(schema)
  return {
    level: 'warning',
    check: OWNER_CHECK,
    message: `this service runs as ${quoteIdentifier(owner.who)}, ${owner.how}, and could change or delete rows: give it a login of its own that has ${writer} and no more: otel-audit migrate --login <name>`,
  }
}
