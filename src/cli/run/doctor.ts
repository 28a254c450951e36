import { JSON } from '../../host/globals.js'
import { visibleJson, visibleLines } from '../../host/visible.js'
import { errorText } from '../../host/error-text.js'
import type { Command } from 'commander'
import { NAMELESS, serviceIdentity } from '../../otel/identity.js'
import { maskedDatabaseUrl } from '../../options/database-url.js'
import type { OptionSpec } from '../../options/option-spec.js'
import { type AuditSettings, OPTIONS } from '../../options/options.js'
import { withOwnerLevel } from '../../options/owner-level.js'
import { resolveOptions } from '../../options/resolve.js'
import { diagnoseStore } from '../../postgres/diagnose.js'
import type { Diagnosis } from '../../postgres/diagnosis.js'
import { checkTrailId } from '../../postgres/trail-identity.js'
import { checkEnrolment, enrolmentFindings } from '../../postgres/write/enrolment.js'
import { diagnoseApp } from './doctor-app.js'
import { diagnoseSpool } from './doctor-spool.js'
import { diagnoseTracing } from './doctor-tracing.js'

interface DoctorFlags {
  readonly databaseUrl?: string
  readonly schema?: string
  readonly app?: string
  readonly format: string
}

export async function run(
  { databaseUrl, schema, app, format }: DoctorFlags,
  command: Command,
): Promise<void> {
  if (format !== 'table' && format !== 'json') command.error(`--format must be table or json, not ${format}`)
  if (app !== undefined) return await diagnoseApp(app, format, command)
  const settings = resolveOptions({ databaseUrl, schema }, process.env)
  const diagnoses = [
    ...(await diagnoseDatabase(settings)),
    diagnoseService(settings),
    diagnoseEnrolment(settings),
    await diagnoseSpool(settings),
    diagnoseTracing(process.env),
  ]
  const isFit = diagnoses.every(({ findings }) => findings.every(({ level }) => level !== 'error'))
  const configuration = understood(settings)
  process.stdout.write(
    format === 'json'
      ? visibleJson(`${JSON.stringify({ ok: isFit, configuration, checks: diagnoses }, undefined, 2)}\n`)
      : readable(configuration, diagnoses, isFit ? promise(settings) : 'Records would not be durable.'),
  )
  if (!isFit) process.exitCode = 1
}

async function diagnoseDatabase(settings: AuditSettings): Promise<readonly Diagnosis[]> {
  if (settings.databaseUrl === undefined) {
    const message = 'no database is given: set DATABASE_URL or NOETL_SECRET_AUDIT_DATABASE_URL'
    return [
      { check: 'connection', state: 'none', findings: [{ level: 'error', check: 'connection', message }] },
    ]
  }
  const { databaseUrl, schema, trail, synchronousCommit, answerTimeoutMs, allowInStore } = settings
  const diagnoses = await diagnoseStore({
    databaseUrl,
    schema,
    expected: trail === undefined ? undefined : { schema, trails: [checkTrailId(trail)] },
    synchronousCommit,
    allowInStore,
    answerTimeoutMs,
    applicationName: 'otel-audit doctor',
  })
  const mode = { isStrict: settings.strict !== false, autoMigrate: settings.autoMigrate }
  return diagnoses.map((diagnosis) => ({
    ...diagnosis,
    findings: withOwnerLevel(diagnosis.findings, mode, process.env),
  }))
}

/** What holds when nothing was found: async events count as accepted before they are stored. */
function promise({ strict, spoolDirectory, spoolMode }: AuditSettings): string {
  const isOnDisk = spoolDirectory !== undefined && spoolMode === 'always'
  if (strict === true || isOnDisk) return 'Records would be durable.'
  return 'Strict records would be durable; async ones as soon as they are stored, and until then they are in memory.'
}

function diagnoseService(settings: AuditSettings): Diagnosis {
  const { serviceName } = serviceIdentity(settings, process.env)
  const check = 'service'
  const findings = serviceName === undefined ? [{ level: 'warning' as const, check, message: NAMELESS }] : []
  return { check, state: serviceName ?? 'none', findings }
}

function diagnoseEnrolment(settings: AuditSettings): Diagnosis {
  const check = 'enrolment'
  const { enrolmentKey, enrolmentKeyFile } = settings
  const state = enrolmentKey === undefined ? (enrolmentKeyFile ?? 'none') : 'a key'
  try {
    checkEnrolment(settings)
    const findings = state === 'none' ? [UNENROLLED] : enrolmentFindings(settings)
    return { check, state, findings }
  } catch (error) {
    const message = errorText(error)
    return { check, state, findings: [{ level: 'error', check, message }] }
  }
}

const UNENROLLED = {
  level: 'warning',
  check: 'enrolment',
  message:
    'none: nobody vouches for the chains of this service, and one that somebody else writes looks like them; otel-audit keys create makes a key',
} as const

/** Every option as it was understood; passwords are masked. */
function understood(settings: AuditSettings): Record<string, string> {
  const lines = Object.entries<OptionSpec>(OPTIONS).map(([name, spec]) => {
    const value = settings[name as keyof AuditSettings]
    if (value === undefined) return [name, 'not set']
    return [
      name,
      spec.kind === 'databaseUrl'
        ? typeof value === 'string'
          ? maskedDatabaseUrl(value)
          : 'read at each connect'
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
  verdict: string,
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
  lines.push('', verdict, '')
  return visibleLines(lines)
}
