import type { DatabaseUrl } from '../../postgres/database-url.js'
import { errorText } from '../../host/error-text.js'
import { hostname, userInfo } from 'node:os'
import { type Audit, createAudit } from '../../audit/audit.js'
import type { AuditLogger } from '../../host/diagnostics.js'
import { visible } from '../../host/visible.js'
import { AuditError } from '../../errors.js'
import { Outcome } from '../../event/vocabulary.js'
import type { ReadSettings } from '../../options/read-options.js'
import { resolveReadOptions } from '../../options/resolve.js'
import { type Principal, type Reading, readingFields } from '../../event/self-rows.js'
import { trailsOf, trustFrom } from './verify-input.js'
import { Trail } from '../../query/trail.js'
import type { Flags } from '../read-flags.js'

/** A user of the command line can query the database directly: here the key guards against typing errors only. */
const CURSOR_KEY = 'otel-audit command line'

/**
 * Where the pipeline of one row says what it lost. Its warnings are about services, which have telemetry and a login of
 * their own: `doctor` has them. Details are left out: a cause may quote the database URL.
 */
const STDERR: AuditLogger = {
  error: (message) => process.stderr.write(`${visible(message)}\n`),
  warn: () => {},
}

/** A command's access to the trail: every read is recorded before its rows are shown. */
export interface ReadSession {
  readonly trail: Trail
  readonly settings: ReadSettings
  /** @throws AuditError `AUDIT_READ_FAILED` when the row about the read could not be written */
  readonly record: (reading: Omit<Reading, 'via'>, outcome?: Outcome) => Promise<void>
}

/** Where only the row about a read is written, and the trail is not read. */
export async function withRecord(
  flags: Flags,
  work: (record: ReadSession['record']) => Promise<void>,
): Promise<void> {
  const { databaseUrl, schema, trail } = readSettings(flags)
  const audit = createAudit({ databaseUrl, schema, trail, serviceName: 'otel-audit', logger: STDERR })
  try {
    await work(recorderOf(audit))
  } finally {
    await audit.close()
  }
}

function recorderOf(audit: Audit | undefined): ReadSession['record'] {
  return async (reading, outcome = Outcome.Ok) => {
    try {
      await audit?.service.recordStrict(readingFields(whoami(), { ...reading, via: 'cli' }, outcome))
    } catch (cause) {
      throw notRecorded(cause)
    }
  }
}

/** Opens the trail for a command, and closes it after. */
export async function withTrail(flags: Flags, work: (session: ReadSession) => Promise<void>): Promise<void> {
  const settings = readSettings(flags)
  const { databaseUrl, schema } = settings
  const trails = trailsOf(await trustFrom(flags['trust'] as string | undefined), settings.trail)
  const trail = openTrail(settings, trails, CURSOR_KEY, 'otel-audit cli')
  const isRecorded = flags['unrecorded'] !== true
  const audit = isRecorded
    ? createAudit({ databaseUrl, schema, trail: only(trails), serviceName: 'otel-audit', logger: STDERR })
    : undefined
  if (!isRecorded) process.stderr.write('otel-audit: this read is not recorded in the trail (--unrecorded)\n')
  try {
    await work({ trail, settings, record: recorderOf(audit) })
  } finally {
    await Promise.all([trail.close(), audit?.close()])
  }
}

/** The settings of the flags and the environment. @throws AuditError `AUDIT_INVALID_OPTION` without a database */
export function readSettings(flags: Flags): ReadSettings & { readonly databaseUrl: DatabaseUrl } {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const given = {
    databaseUrl: text('databaseUrl'),
    readerUrl: text('readerUrl'),
    schema: text('schema'),
    host: text('host'),
    port: flags['port'] === undefined ? undefined : Number(flags['port']),
    traceUrl: text('traceUrl'),
  }
  const settings = resolveReadOptions(given, process.env)
  const databaseUrl = settings.databaseUrl ?? (flags['unrecorded'] === true ? settings.readerUrl : undefined)
  if (databaseUrl !== undefined) return { ...settings, databaseUrl }
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url',
    { field: 'databaseUrl' },
  )
}

/** What the row about a read is written to: a writer knows of one trail. */
export function only(trails: readonly string[]): string | undefined {
  return trails.length === 1 ? trails[0] : undefined
}

export function openTrail(
  {
    databaseUrl,
    readerUrl,
    schema,
    readTimeoutMs,
    readConnections,
  }: ReadSettings & { readonly databaseUrl: DatabaseUrl },
  trails: readonly string[],
  cursorKey: string | undefined,
  applicationName: string,
): Trail {
  return new Trail({
    databaseUrl: readerUrl ?? databaseUrl,
    schema,
    trails,
    timeoutMs: readTimeoutMs,
    connections: readConnections,
    cursorKey,
    applicationName,
  })
}

function notRecorded(cause: unknown): AuditError {
  const why = errorText(cause)
  const problem = `nothing is shown, because the row about this read could not be written: ${why}`
  const option = refusedOption(cause)
  if (option !== undefined) {
    return new AuditError('AUDIT_READ_FAILED', problem, { cause, remedy: option.remedy })
  }
  return new AuditError(
    'AUDIT_READ_FAILED',
    `${problem}. Read with a login that also has the writer role (--database-url), or use --unrecorded`,
    { cause },
  )
}

/** The option that opening the chain refuses, such as a key file that is not there: another login would not help. */
function refusedOption(error: unknown): AuditError | undefined {
  if (!(error instanceof AuditError)) return undefined
  return error.code === 'AUDIT_INVALID_OPTION' ? error : refusedOption(error.cause)
}

/** Who runs the command line: the user of the operating system. */
export function whoami(): Principal {
  const sourceAddress = hostname()
  try {
    return { actorId: userInfo().username, actorType: 'user', sourceAddress }
  } catch {
    // A container's user need not have a name.
    return { actorId: `uid ${process.getuid?.() ?? 'unknown'}`, actorType: 'user', sourceAddress }
  }
}
