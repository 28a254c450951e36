import { once } from 'node:events'
import { diag, DiagConsoleLogger, DiagLogLevel } from '@opentelemetry/api'
import type { Command } from 'commander'
import { createAudit } from '../../audit/audit.js'
import { ComputedEvidence } from '../../query/evidence.js'
import { authenticatorOf, signInOf } from '../../server/authenticator-of.js'
import { valueOrFile } from '../../options/value-file.js'
import { serveTrail } from '../../server/serve.js'
import type { Flags } from '../read-flags.js'
import { exposedMetrics } from './exposed-metrics.js'
import { durationMs } from '../../watch/duration.js'
import { resolveVerifyOptions } from '../../options/resolve.js'
import type { VerificationFlags } from './verification-of.js'
import { verifyBeside } from './verify-beside.js'
import { only, openTrail, readSettings } from './read-session.js'
import { trailsOf, trustFrom } from './verify-input.js'

export async function run(flags: Flags, command: Command): Promise<void> {
  const { port: given } = flags
  if (given !== undefined && !/^\d{1,5}$/.test(String(given))) {
    command.error(`--port must be an integer from 0 to 65535, not ${String(given)}`)
  }
  diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN)
  const settings = readSettings(flags)
  const authenticator = await authenticatorOf(settings)
  const signIn = await signInOf(settings)
  const file = await trustFrom(flags['trust'] as string | undefined)
  const trails = trailsOf(file, settings.trail)
  const trust = { ...file, trails }
  const { databaseUrl, readerUrl, schema, host, port, corsOrigin, traceUrl } = settings
  const cursorKey = await valueOrFile(settings.cursorKey, 'cursorKeyFile', settings.cursorKeyFile)
  const prometheus = exposedMetrics()
  const audit = createAudit({ databaseUrl, schema, trail: only(trails), serviceName: 'otel-audit' })
  const stop = new AbortController()
  const trail = openTrail(settings, trails, cursorKey, 'otel-audit serve')
  try {
    const server = await serveTrail({
      trail,
      audit: audit.service,
      exposition: prometheus?.exposition,
      authenticator,
      signIn,
      evidence: new ComputedEvidence({ databaseUrl: readerUrl ?? databaseUrl, schema, trust }),
      trust,
      host,
      port,
      corsOrigin,
      traceUrl,
    })
    process.stdout.write(`${server.url}\n`)
    if (authenticator === undefined && signIn === undefined) {
      process.stderr.write(
        'No authentication is configured, so every read is denied: set NOETL_INTERNAL_API_TOKEN (or …_FILE), or an OpenID Connect issuer and audience.\n',
      )
    }
    await verifying(flags, stop.signal)
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
    stop.abort()
    await server.close()
  } finally {
    stop.abort()
    await Promise.all([trail.close(), audit.close()])
    await prometheus?.close()
  }
}

/** Where it was asked for. */
async function verifying(flags: Flags, signal: AbortSignal): Promise<void> {
  const text = (name: string): string | undefined => flags[name] as string | undefined
  const { verifyEvery } = resolveVerifyOptions({ verifyEvery: text('verifyEvery') }, process.env)
  if (verifyEvery === undefined) return
  const everyMs = durationMs(verifyEvery, 'verifyEvery')
  const asked = ['trust', 'schema', 'readerUrl', 'databaseUrl', 'state', 'verifierKey', 'fullEvery'] as const
  const given = Object.fromEntries(asked.map((name) => [name, text(name)]))
  await verifyBeside(given as VerificationFlags, everyMs, signal)
}
