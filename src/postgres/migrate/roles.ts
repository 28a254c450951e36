import type { ClientBase } from 'pg'
import type { MigrationStep } from './migration-step.js'
import { quotedSchema, roleNames } from '../schema-name.js'
import { readSql, renderSql } from '../sql-text.js'

/** Who runs the steps: the role that connected, or the owner of the trail when that is another one. */
export interface RoleSteps {
  /** As the role that connected: creating roles takes CREATEROLE, and the schema may be somebody else's. */
  readonly asConnected: readonly MigrationStep[]
  /** As the owner of the trail. */
  readonly asOwner: readonly MigrationStep[]
}

/** What gives the two group roles exactly their rights. Roles that are there already (a DBA has made them) are kept. */
export async function planRoles(client: ClientBase, schema: string): Promise<RoleSteps> {
  const { writer, reader } = roleNames(schema)
  const { rows } = await client.query<{ name: string }>(
    'select rolname as name from pg_roles where rolname = any($1)',
    [[writer, reader]],
  )
  const missing = [writer, reader].filter((role) => !rows.some(({ name }) => name === role))
  return {
    asConnected: [...missing.map(createRoleStep), usageStep(schema)],
    asOwner: [
      {
        title: `roles: grant to ${writer} and ${reader}`,
        sql: renderSql(await readSql('./roles.sql', import.meta.url), schema, {
          WRITER: `"${writer}"`,
          READER: `"${reader}"`,
        }),
        mode: 'transaction',
      },
    ],
  }
}

/** Roles are the whole server's: the migration of another database may be making the same one at this moment. */
function createRoleStep(role: string): MigrationStep {
  return {
    title: `roles: create ${role}`,
    sql: `do $$ begin create role "${role}" nologin; exception when duplicate_object or unique_violation then null; end $$;`,
    mode: 'transaction',
  }
}

/** A GRANT by somebody who may not grant is a mere warning, so it is looked at. */
function usageStep(schema: string): MigrationStep {
  const { writer, reader } = roleNames(schema)
  return {
    title: `roles: let them use schema ${schema}`,
    sql: `grant usage on schema ${quotedSchema(schema)} to "${writer}", "${reader}";
do $$ begin
  if not has_schema_privilege('${writer}', '${schema}', 'usage') then
    raise insufficient_privilege using message = 'only the owner of schema ${schema} may grant its use';
  end if;
end $$;`,
    mode: 'transaction',
  }
}
