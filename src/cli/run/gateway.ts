import { once } from 'node:events'
import { diag, DiagConsoleLogger, DiagLogLevel } from '@opentelemetry/api'
import type { Command } from 'commander'
import { AuditError } from '../../errors.js'
import { lifecycleRow } from '../../event/self-rows.js'
import { Outcome } from '../../event/vocabulary.js'
import { DurableAuditExporter } from '../../exporter/exporter.js'
import { serveGateway } from '../../gateway/serve-gateway.js'
import { ServicePolicy } from '../../gateway/service-policy.js'
import type { TlsFiles } from '../../gateway/tls-files.js'
import { errorText } from '../../host/error-text.js'
import type { GatewaySettings } from '../../options/gateway-options.js'
import type { AuditSettings } from '../../options/options.js'
import { resolveGatewayOptions, resolveOptions } from '../../options/resolve.js'
import { serviceIdentity } from '../../otel/identity.js'
import { PostgresAuditSink } from '../../postgres/write/sink.js'
import { authenticatorOf } from '../../server/authenticator-of.js'
import { VERSION } from '../../version.js'
import type { Flags } from '../read-flags.js'
import { exposedMetrics } from './exposed-metrics.js'

/** Far above what the events of the intake's bound can take: the intake refuses first, and whole requests. */
const QUEUE_BYTES = 1024 * 1024 * 1024

export async function run(flags: Flags, command: Command): Promise<void> {
  const { port } = flags
  if (port !== undefined && !/^\d{1,5}$/.test(String(port))) {
    command.error(`--port must be an integer from 0 to 65535, not ${String(port)}`)
  }
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN)
  const settings = recordingSettings(flags)
  const gateway = gatewaySettings(flags)
  const tls = tlsOf(gateway)
  const authenticator = await authenticatorOf(gateway)
  const policy = gateway.policyFile === undefined ? undefined : await ServicePolicy.read(gateway.policyFile)
  const prometheus = exposedMetrics()
  const sink = sinkOf(settings)
  void sayFindings(sink)
  const exporter = exporterOf(settings, sink)
  try {
    const { host, rejectBadCredentials } = gateway
    const server = await serveGateway({
      exporter,
      host,
      port: gateway.port,
      tls,
      authenticator,
      policy,
      rejectBadCredentials,
      databaseTime: () => sink.databaseTime(),
      exposition: prometheus?.exposition,
    })
    process.stdout.write(`${server.url}\n`)
    process.on('SIGHUP', () => void server.reload())
    exporter.recordOwn(lifecycleRow(Outcome.Started, { version: VERSION, mode: 'gateway' }))
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
    await server.close()
    exporter.recordOwn(lifecycleRow(Outcome.Stopped, { version: VERSION, mode: 'gateway' }))
  } finally {
    await exporter.close(settings.closeTimeoutMs)
    await prometheus?.close()
  }
}

function recordingSettings(flags: Flags): AuditSettings {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const settings = resolveOptions({ databaseUrl: text('databaseUrl'), schema: text('schema') }, process.env)
  if (settings.databaseUrl !== undefined) return settings
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url',
    { field: 'databaseUrl' },
  )
}

function gatewaySettings(flags: Flags): GatewaySettings {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const { port } = flags
  return resolveGatewayOptions(
    {
      host: text('host'),
      port: port === undefined ? undefined : Number(port),
      tlsCert: text('tlsCert'),
      tlsKey: text('tlsKey'),
      tlsClientCa: text('tlsClientCa'),
      tokensFile: text('tokensFile'),
      oidcIssuer: text('oidcIssuer'),
      oidcAudience: text('oidcAudience'),
      policyFile: text('policyFile'),
      rejectBadCredentials: flags['rejectBadCredentials'] === true ? true : undefined,
    },
    process.env,
  )
}

function tlsOf({ tlsCert: cert, tlsKey: key, tlsClientCa: clientCa }: GatewaySettings): TlsFiles | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key, clientCa }
  if (cert === undefined && key === undefined && clientCa === undefined) return undefined
  const field = cert === undefined ? 'tlsCert' : 'tlsKey'
  throw new AuditError(
    'AUDIT_INVALID_OPTION',
    'tlsCert and tlsKey must be set together, and for tlsClientCa',
    {
      field,
    },
  )
}

function sinkOf(settings: AuditSettings): PostgresAuditSink {
  const { databaseUrl = '' } = settings
  const { schema, trail, answerTimeoutMs, origin, enrolmentKey, enrolmentKeyFile } = settings
  return new PostgresAuditSink({
    databaseUrl,
    schema,
    trail,
    answerTimeoutMs,
    origin,
    enrolmentKey,
    enrolmentKeyFile,
    synchronousCommit: settings.synchronousCommit,
    allowInStore: settings.allowInStore,
    applicationName: 'otel-audit gateway',
  })
}

function exporterOf(settings: AuditSettings, sink: PostgresAuditSink): DurableAuditExporter {
  const { batchRows, batchBytes, machineId } = settings
  const given = { ...settings, serviceName: settings.serviceName ?? 'otel-audit-gateway' }
  return new DurableAuditExporter({
    sink,
    identity: serviceIdentity(given, process.env),
    machineId,
    batchRows,
    batchBytes,
    // Nobody waits for company: the next batch fills while one is on its way.
    lingerMs: 0,
    queueRows: 20_000,
    queueBytes: QUEUE_BYTES,
  })
}

/** What is wrong with the store is said when it starts; requests are answered by 503 meanwhile. */
async function sayFindings(sink: PostgresAuditSink): Promise<void> {
  try {
    for (const { level, message } of await sink.check()) {
      diag[level === 'error' ? 'error' : 'warn'](`otel-audit: ${message}`)
    }
  } catch (error) {
    diag.error(`otel-audit: ${errorText(error)}`)
  }
}
