import { once } from 'node:events'
import type { Command } from 'commander'
import { AuditError } from '../../errors.js'
import { verifyRow } from '../../event/self-rows.js'
import { errorText } from '../../host/error-text.js'
import { wallClock } from '../../host/globals.js'
import { visible } from '../../host/visible.js'
import { resolveOptions } from '../../options/resolve.js'
import type { Trust } from '../../verify/trust.js'
import { durationMs } from '../../watch/duration.js'
import { type MetricsServer, serveMetrics } from '../../watch/metrics-server.js'
import { verifyInRounds } from '../../watch/rounds.js'
import { type Verified, verifyOnce } from '../../watch/verification.js'
import { VerifyMetrics } from '../../watch/verify-metrics.js'
import { exposedMetrics } from './exposed-metrics.js'
import { openTrailWriter, operator } from './trail-writer.js'
import { type AskedVerification, type VerificationFlags, verificationOf } from './verification-of.js'
import { writeMetrics } from './verify-metrics.js'
import { type VerifyFormat, VerifyOutput } from './verify-output.js'
import { tellServer } from './verify-server.js'

export interface OnwardsFlags extends VerificationFlags {
  readonly watch?: string
  readonly record?: boolean
  readonly metrics?: string
}

const EXIT_FINDINGS = 1
const EXIT_NOT_CHECKED = 2

/** Verifies on from a state, or again and again. @returns the exit code */
export async function verifyAgain(
  flags: OnwardsFlags,
  format: VerifyFormat,
  command: Command,
): Promise<number> {
  const { metricsPort } = flags
  if (metricsPort !== undefined && !/^\d{1,5}$/.test(metricsPort))
    command.error(`--metrics-port must be an integer from 0 to 65535, not ${metricsPort}`)
  const asked = await verificationOf(flags)
  const recorder = flags.record === true ? openRecorder(flags, asked.trust) : undefined
  const after = async (verified: Verified): Promise<void> => {
    if (flags.metrics !== undefined) await writeMetrics(flags.metrics, verified, wallClock())
    await recorder?.record(verified)
  }
  try {
    if (flags.watch !== undefined) {
      await watch(durationMs(flags.watch, 'watch'), format, asked, after)
      return 0
    }
    const verified = await verifyAndTell(asked, format)
    await after(verified)
    if (verified.findings > 0) return EXIT_FINDINGS
    return verified.isSuccess ? 0 : EXIT_NOT_CHECKED
  } finally {
    await recorder?.close()
  }
}

async function verifyAndTell(asked: AskedVerification, format: VerifyFormat): Promise<Verified> {
  const { verification, trust, lines } = asked
  let output = new VerifyOutput(format, wallClock() * 1000)
  const verified = await verifyOnce(verification, {
    onOpen: async ({ whole }) => {
      output = new VerifyOutput(format, whole.now)
      await tellServer(whole, trust)
    },
    onFinding: (finding) => output.finding(finding),
    onProgress: (progress) => output.progress(progress),
  })
  output.report(verified.report, lines())
  return verified
}

/** Until SIGTERM or SIGINT. What a round has begun is left then: the state before is still there. */
async function watch(
  everyMs: number,
  format: VerifyFormat,
  asked: AskedVerification,
  onVerified: (verified: Verified) => Promise<void>,
): Promise<void> {
  const prometheus = exposedMetrics()
  const server = await metricsServer(asked, prometheus?.exposition)
  const stop = new AbortController()
  void Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => stop.abort())
  await verifyInRounds({
    everyMs,
    verify: () => verifyAndTell(asked, format),
    metrics: new VerifyMetrics(),
    onVerified,
    onFailure: tellFailure,
    signal: stop.signal,
  })
  await asked.verification.onwards?.file.settled()
  await server?.close()
  await prometheus?.close()
}

async function metricsServer(
  { settings }: AskedVerification,
  exposition: (() => Promise<string>) | undefined,
): Promise<MetricsServer | undefined> {
  const { metricsHost, metricsPort } = settings
  if (metricsPort === undefined || exposition === undefined) return undefined
  const server = await serveMetrics(metricsHost, metricsPort, exposition)
  process.stderr.write(`otel-audit: metrics at ${server.url}/metrics\n`)
  return server
}

/** A round that could not be made. The next one is made all the same. */
function tellFailure(error: unknown): void {
  const text = error instanceof AuditError ? `${error.message}\n${error.remedy}` : errorText(error)
  process.stderr.write(`otel-audit: not verified: ${visible(text)}\n`)
}

interface Recorder {
  readonly record: (verified: Verified) => Promise<void>
  readonly close: () => Promise<void>
}

function openRecorder({ databaseUrl, schema }: OnwardsFlags, { origin }: Trust): Recorder {
  const given = resolveOptions({ databaseUrl, schema }, process.env)
  // The rows are of the log that is verified: of another one they would be a finding of the next round.
  const settings = { ...given, origin: given.origin ?? origin }
  if (settings.databaseUrl === undefined) {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      '--record writes to the trail, and no database is given for that: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url',
      { field: 'databaseUrl' },
    )
  }
  const writer = openTrailWriter(settings, settings.databaseUrl)
  return {
    record: ({ findings, rows, isSuccess, report, stateSha256 }) => {
      const { full = true, sequence } = report.incremental ?? {}
      const state = stateSha256 === undefined ? {} : { sequence, state: stateSha256 }
      return writer.record(verifyRow({ findings, rows, full, ...state }, isSuccess, operator()))
    },
    close: () => writer.close(),
  }
}
