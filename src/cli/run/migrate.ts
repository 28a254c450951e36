import type { Command } from 'commander'
import { visible, visibleLines } from '../../host/visible.js'
import { AuditError } from '../../errors.js'
import { loginUrl } from '../../options/database-url.js'
import { resolveOptions } from '../../options/resolve.js'
import { migrate, type MigrateReport } from '../../postgres/migrate/migrate.js'

interface MigrateFlags {
  readonly databaseUrl?: string
  readonly schema?: string
  readonly roles?: boolean
  readonly dryRun?: boolean
  readonly login?: string
  readonly newTrail?: boolean
  readonly keepTrail?: boolean
}

export async function run(
  { databaseUrl, schema, roles = false, dryRun = false, login, newTrail, keepTrail }: MigrateFlags,
  command: Command,
): Promise<void> {
  if (newTrail && keepTrail) command.error('--new-trail and --keep-trail contradict each other')
  const settings = resolveOptions({ databaseUrl, schema }, process.env)
  if (settings.databaseUrl === undefined) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url',
      { field: 'databaseUrl' },
    )
  }
  const result = await migrate({
    databaseUrl: settings.databaseUrl,
    schema: settings.schema,
    roles,
    dryRun,
    ...(login !== undefined && { login }),
    ...(newTrail && { trail: 'new' as const }),
    ...(keepTrail && { trail: 'keep' as const }),
    onProgress: (line) => process.stderr.write(`${visible(line)}\n`),
  })
  process.stdout.write(result.sql ?? summary(result))
  if (login === undefined || dryRun) return
  const url = typeof settings.databaseUrl === 'function' ? await settings.databaseUrl() : settings.databaseUrl
  process.stdout.write(`login       ${loginUrl(url, login)}\n`)
  process.stderr.write(`Set its password, as it has none yet: psql --command '\\password "${login}"'\n`)
}

function summary(report: MigrateReport): string {
  const { schema, applied, adopted, partitions, roles, trail, formerTrail } = report
  const migrations = applied.map(({ number, name }) => `${number} ${name.replaceAll('_', ' ')}`).join(', ')
  const span = partitions.length < 2 ? partitions.join('') : `${partitions[0]} to ${partitions.at(-1)}`
  return visibleLines([
    `schema      ${schema}`,
    `migrations  ${migrations || 'none were missing'}`,
    ...(adopted ? ['adopted     the existing table, as partition secret_audit_adopted'] : []),
    `partitions  ${partitions.length === 0 ? 'none were missing' : `${partitions.length} made: ${span}`}`,
    `trail       ${trail ?? 'none'}`,
    ...(formerTrail === undefined
      ? []
      : [
          `was         ${formerTrail}`,
          '            Blocks from before are of that trail: `otel-audit verify` reports their chains as chain-foreign, unless',
          '            the trust file names both. Services that write here begin new chains when they are restarted; where',
          '            NOETL_SECRET_AUDIT_TRAIL or a trust file names the former trail, they are refused until it is changed.',
        ]),
    ...(roles.length > 0 ? [`roles       ${roles.join(', ')}`] : []),
    '',
  ])
}
