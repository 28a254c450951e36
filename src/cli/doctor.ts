import type { Command } from 'commander'
import type { OptionSpec } from '../options/option-spec.js'
import type { AuditSettings } from '../options/options.js'
import type { Diagnosis } from '../postgres/diagnose.js'

interface DoctorFlags {
  readonly databaseUrl?: string
  readonly schema?: string
  readonly format: string
}

/** Adds `otel-audit doctor`. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('Check that records made with this environment would be durable, and say what to change.')
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--database-url <url>',
      'the database (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
    .option('--format <format>', 'table or json', 'table')
    .addHelpText(
      'after',
      `
Example, with the environment of the service:
  $ DATABASE_URL=postgres://orders@db.example/app otel-audit doctor

Exit code: 0 all is well, or there are warnings only; 1 records would not be durable; 2 usage.`,
    )
    .action(runDoctor)
}

async function runDoctor({ databaseUrl, schema, format }: DoctorFlags, command: Command): Promise<void> {
  if (format !== 'table' && format !== 'json') command.error(`--format must be table or json, not ${format}`)
  const { resolveOptions } = await import('../options/resolve.js')
  const settings = resolveOptions({ databaseUrl, schema }, process.env)
  const diagnoses = [
    ...(await diagnoseDatabase(settings)),
    await diagnoseEnrolment(settings),
    ...(await diagnoseProcess(settings)),
  ]
  const isFit = diagnoses.every(({ findings }) => findings.every(({ level }) => level !== 'error'))
  const configuration = await understood(settings)
  process.stdout.write(
    format === 'json'
      ? `${JSON.stringify({ ok: isFit, configuration, checks: diagnoses }, undefined, 2)}\n`
      : readable(configuration, diagnoses, isFit),
  )
  if (!isFit) process.exitCode = 1
}

/** What is beside the database: disk and telemetry of the service. */
async function diagnoseProcess({ spoolDirectory, spoolBytes }: AuditSettings): Promise<readonly Diagnosis[]> {
  const [{ diagnoseSpool }, { diagnoseTracing }] = await Promise.all([
    import('./run/doctor-spool.js'),
    import('./run/doctor-tracing.js'),
  ])
  return [await diagnoseSpool(spoolDirectory, spoolBytes), await diagnoseTracing(process.env)]
}

async function diagnoseDatabase(settings: AuditSettings): Promise<readonly Diagnosis[]> {
  if (settings.databaseUrl === undefined) {
    const message = 'no database is given: set DATABASE_URL or NOETL_SECRET_AUDIT_DATABASE_URL'
    return [
      { check: 'connection', state: 'none', findings: [{ level: 'error', check: 'connection', message }] },
    ]
  }
  const { diagnoseStore } = await import('../postgres/diagnose.js')
  const { databaseUrl, schema, synchronousCommit, answerTimeoutMs } = settings
  return diagnoseStore({
    databaseUrl,
    schema,
    synchronousCommit,
    answerTimeoutMs,
    applicationName: 'otel-audit doctor',
  })
}

async function diagnoseEnrolment(settings: AuditSettings): Promise<Diagnosis> {
  const { checkIdentity, enrolmentFindings } = await import('../postgres/write/enrolment.js')
  const check = 'enrolment'
  const { enrolmentKey, enrolmentKeyFile } = settings
  const state =
    enrolmentKey === undefined ? (enrolmentKeyFile ?? 'none: nobody vouches for a chain') : 'a key'
  try {
    checkIdentity(settings)
    return { check, state, findings: enrolmentFindings(settings) }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { check, state, findings: [{ level: 'error', check, message }] }
  }
}

/** Every option as it was understood; passwords are masked. */
async function understood(settings: AuditSettings): Promise<Record<string, string>> {
  const { OPTIONS } = await import('../options/options.js')
  const { maskedDatabaseUrl } = await import('../options/database-url.js')
  const lines = Object.entries<OptionSpec>(OPTIONS).map(([name, spec]) => {
    const value = settings[name as keyof AuditSettings]
    if (value === undefined) return [name, 'not set']
    return [
      name,
      spec.kind === 'databaseUrl'
        ? maskedDatabaseUrl(String(value))
        : 'secret' in spec
          ? '***'
          : String(value),
    ]
  })
  return Object.fromEntries(lines) as Record<string, string>
}

function readable(
  configuration: Readonly<Record<string, string>>,
  diagnoses: readonly Diagnosis[],
  isFit: boolean,
): string {
  const width = Math.max(...Object.keys(configuration).map((name) => name.length))
  const lines = [
    'Configuration',
    ...Object.entries(configuration).map(([k, v]) => `  ${k.padEnd(width)}  ${v}`),
  ]
  lines.push('', 'Checks')
  for (const { check, state, findings } of diagnoses) {
    if (findings.length === 0) lines.push(`  ok       ${check}: ${state}`)
    for (const { level, check: what, message } of findings)
      lines.push(`  ${level.padEnd(7)}  ${what}: ${message}`)
  }
  lines.push('', isFit ? 'Records would be durable.' : 'Records would not be durable.', '')
  return lines.join('\n')
}
