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
  const everyMs = verifyEveryMs(flags)
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
    if (everyMs !== undefined) await verifyBeside(verificationFlags(flags), everyMs, stop.signal)
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
    stop.abort()
    await server.close()
  } finally {
    stop.abort()
    await Promise.all([trail.close(), audit.close()])
    await prometheus?.close()
  }
}

/** How often it was asked to verify, in ms. */
function verifyEveryMs(flags: Flags): number | undefined {
  const given = flags['verifyEvery'] as string | undefined
  const { verifyEvery } = resolveVerifyOptions({ verifyEvery: given }, process.env)
  return verifyEvery === undefined ? undefined : durationMs(verifyEvery, 'verifyEvery')
}

function verificationFlags(flags: Flags): VerificationFlags {
  const names = ['trust', 'schema', 'readerUrl', 'databaseUrl', 'state', 'verifierKey', 'fullEvery'] as const
  return Object.fromEntries(names.map((name) => [name, flags[name]])) as VerificationFlags
}
