import type { ClientBase } from 'pg'
import { AuditError } from '../../errors.js'
import type { MigrationStep } from './migration-step.js'
import { scramVerifier } from './scram-verifier.js'
import { quoteIdentifier, quotedSchema, type RoleNames, roleNames } from '../schema-name.js'
import { readSql, renderSql } from '../sql-text.js'

/** Who runs the steps: the role that connected, or the owner of the trail when that is another one. */
export interface RoleSteps {
  /** As the role that connected: creating roles takes CREATEROLE, and the schema may be somebody else's. */
  readonly asConnected: readonly MigrationStep[]
  /** As the owner of the trail. */
  readonly asOwner: readonly MigrationStep[]
}

/** A login for a service, or for who reads. */
export interface Login {
  readonly name: string
  /** It gets the reader role, too. */
  readonly reads: boolean
  /** Its new password, ASCII. Undefined: it keeps what it has. */
  readonly password: string | undefined
}

/**
 * What gives the group roles exactly their rights. Roles that are there already (a DBA has made them) are kept.
 *
 * @param login a login that is made, if it is not there, and gets the writer role
 * @throws AuditError `AUDIT_MIGRATION`, with the statements that an administrator has to run, when roles are missing that
 *   whoever connected may not make; and for a login that is more than a writer
 */
export async function planRoles(
  client: ClientBase,
  schema: string,
  login: Login | undefined,
): Promise<RoleSteps> {
  const { writer, reader, keeper } = roleNames(schema)
  const groups = [writer, reader, keeper]
  const { rows } = await client.query<{ name: string }>(
    'select rolname as name from pg_roles where rolname = any($1)',
    [groups],
  )
  const missing = groups.filter((role) => !rows.some(({ name }) => name === role))
  if (login !== undefined && groups.includes(login.name))
    refuseMighty({ name: login.name, mightier: false, isGroup: true })
  const existing = login === undefined ? undefined : await findLogin(client, schema, login.name)
  if (existing !== undefined) refuseMighty(existing)
  const isMissingLogin = login !== undefined && existing === undefined
  if (missing.length > 0 || isMissingLogin) {
    await refuseWithoutCreateRole(
      client,
      [
        ...missing.map((role) => `CREATE ROLE "${role}" NOLOGIN;`),
        ...(isMissingLogin ? [`CREATE ROLE ${quoteIdentifier(login.name)} LOGIN;`] : []),
      ],
      roleNames(schema),
    )
  }
  return {
    asConnected: [
      ...missing.map(createRoleStep),
      usageStep(schema),
      ...(login === undefined
        ? []
        : [loginStep(login, login.reads ? [writer, reader] : [writer], isMissingLogin)]),
    ],
    asOwner: [
      {
        title: `roles: grant to ${groups.join(', ')}`,
        sql: renderSql(await readSql('./roles.sql', import.meta.url), schema, {
          WRITER: `"${writer}"`,
          READER: `"${reader}"`,
          KEEPER: `"${keeper}"`,
        }),
        mode: 'transaction',
      },
    ],
  }
}

/**
 * A name for a login, checked.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION`
 */
export function checkLogin(login: string): string {
  if (/^[^\p{C}]+$/u.test(login) && Buffer.byteLength(login) <= 63 && !/^pg_|^public$|^none$/.test(login))
    return login
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    'login must be the name of a role: 1 to 63 bytes, not beginning with pg_',
    {
      field: 'login',
    },
  )
}

interface ExistingLogin {
  readonly name: string
  readonly mightier: boolean
  readonly isGroup: boolean
}

async function findLogin(
  client: ClientBase,
  schema: string,
  login: string,
): Promise<ExistingLogin | undefined> {
  const { rows } = await client.query<ExistingLogin>(
    `select rolname as name, not rolcanlogin as "isGroup",
       rolsuper or rolcreaterole or rolbypassrls or rolreplication or pg_has_role(oid, coalesce(
         (select relowner from pg_class where oid = to_regclass($2)), current_user::regrole::oid), 'MEMBER') as mightier
     from pg_roles where rolname = $1`,
    [login, `${quotedSchema(schema)}.secret_audit`],
  )
  return rows[0]
}

/** The right role is the writer's and no more: with the rights of an owner, a service could rewrite its own trail. */
function refuseMighty({ name, mightier, isGroup }: ExistingLogin): void {
  if (!mightier && !isGroup) return
  const why = isGroup
    ? 'cannot log in'
    : 'is the owner of the trail or a superuser, or may create roles, replicate or bypass row security'
  throw new AuditError(
    'AUDIT_MIGRATION',
    `role ${name} ${why}: choose another name for the login of a service`,
  )
}

async function refuseWithoutCreateRole(
  client: ClientBase,
  statements: readonly string[],
  { writer, reader, keeper }: RoleNames,
): Promise<void> {
  const { rows } = await client.query<{ user: string; may: boolean }>(
    'select current_user as user, rolsuper or rolcreaterole as may from pg_roles where rolname = current_user',
  )
  const [me] = rows
  if (me === undefined || me.may) return
  const admin = `GRANT "${writer}", "${reader}", "${keeper}" TO ${quoteIdentifier(me.user)} WITH ADMIN OPTION;`
  const lines = [...statements, admin].map((sql) => `  ${sql}`)
  throw new AuditError(
    'AUDIT_MIGRATION',
    `${me.user} may not create roles (it lacks CREATEROLE), and nothing was changed`,
    { remedy: `Have an administrator run these statements, then run this again:\n${lines.join('\n')}` },
  )
}

/** What it had is kept: only the rights of the roles, and the password where one is given. */
function loginStep({ name, password }: Login, roles: readonly string[], isMissing: boolean): MigrationStep {
  const login = quoteIdentifier(name)
  const create = `do $$ begin create role ${login} login; exception when duplicate_object or unique_violation then null; end $$;\n`
  const alter = password === undefined ? '' : `\nalter role ${login} password '${scramVerifier(password)}';`
  return {
    title: `roles: login ${name} in ${roles.join(', ')}`,
    sql: `${isMissing ? create : ''}grant ${roles.map((role) => `"${role}"`).join(', ')} to ${login};${alter}`,
    mode: 'transaction',
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
  const { writer, reader, keeper } = roleNames(schema)
  return {
    title: `roles: let them use schema ${schema}`,
    sql: `grant usage on schema ${quotedSchema(schema)} to "${writer}", "${reader}", "${keeper}";
do $$ begin
  if not has_schema_privilege('${writer}', '${schema}', 'usage') then
    raise insufficient_privilege using message = 'only the owner of schema ${schema} may grant its use';
  end if;
end $$;`,
    mode: 'transaction',
  }
}
