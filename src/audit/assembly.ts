import { AuditError } from '../errors.js'
import { globs } from '../host/globs.js'
import type { RecordPolicy, ServiceIdentity } from '../contract/pipeline.js'
import type { AuditSink } from '../contract/sink.js'
import { serviceIdentity } from '../otel/identity.js'
import { AuditSpanProcessor } from '../otel/processor.js'
import { deadlineBy } from '../service/deadline.js'
import { isStrictBy, type StrictPolicy } from '../service/mode.js'
import { DurableAuditExporter } from '../exporter/exporter.js'
import { checkEnrolment } from '../postgres/write/enrolment.js'
import { ThreadedSink } from '../postgres/thread/threaded-sink.js'
import { PostgresAuditSink } from '../postgres/write/sink.js'
import type { AuditOptions, AuditSettings } from '../options/options.js'
import { resolveOptions } from '../options/resolve.js'

/** What holds for all records. The identity may become known with the SDK's configuration. */
interface OwnContext {
  identity: ServiceIdentity
  readonly policy: RecordPolicy
  readonly auditLogDraft: boolean
}

/** What a pipeline is made of. */
export interface Parts {
  readonly settings: AuditSettings
  readonly context: OwnContext
  readonly sink: AuditSink
  readonly exporter: DurableAuditExporter
  readonly processor: AuditSpanProcessor
}

/**
 * @param strict which records are strict; asked at each of them
 * @throws AuditError `AUDIT_INVALID_OPTION`
 */
export function assemble(options: AuditOptions, strict: () => boolean | StrictPolicy): Parts {
  const settings = resolveOptions(options, process.env)
  const isExempt = globs(settings.strictExcept)
  const context: OwnContext = {
    identity: serviceIdentity(settings, process.env),
    auditLogDraft: settings.auditLogDraft,
    policy: {
      isStrict: (credential, operation) =>
        !isExempt(credential) && isStrictBy(strict(), credential, operation),
      deadlineMs: (credential, operation) => {
        const asked = deadlineBy(settings.deadlineMs, credential, operation)
        const { outageDeadlineMs } = settings
        return outageDeadlineMs === undefined || exporter.lastFault === undefined
          ? asked
          : Math.min(asked, outageDeadlineMs)
      },
    },
  }
  const sink = options.sink ?? postgresSink(settings)
  const exporter = new DurableAuditExporter({ ...settings, sink, context })
  const processor = new AuditSpanProcessor(exporter, { flushTimeoutMs: settings.closeTimeoutMs })
  return { settings, context, sink, exporter, processor }
}

function postgresSink(settings: AuditSettings): AuditSink {
  const { databaseUrl, serviceName } = settings
  if (databaseUrl === undefined) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'no database: set DATABASE_URL (or NOETL_SECRET_AUDIT_DATABASE_URL), or give createAudit a databaseUrl or a sink',
      { field: 'databaseUrl' },
    )
  }
  checkEnrolment(settings)
  const applicationName = serviceName === undefined ? 'otel-audit' : `otel-audit ${serviceName}`
  const target = { ...settings, databaseUrl, applicationName }
  return settings.writerThread ? new ThreadedSink(target) : new PostgresAuditSink(target)
}
