import { AuditError } from '../../errors.js'
import { errorText } from '../../host/error-text.js'
import { packageFile } from '../../host/package-file.js'
import { visible } from '../../host/visible.js'
import { unpackError } from '../../postgres/packed-error.js'
import { startThread } from '../../postgres/start-thread.js'
import { verifyInRounds } from '../../watch/rounds.js'
import type { VerifiedCounts } from '../../watch/verification.js'
import { VerifyMetrics } from '../../watch/verify-metrics.js'
import { findingLine } from './verify-output.js'
import { type VerificationFlags, verificationOf } from './verification-of.js'
import type { VerifyAnswer } from './verify-worker.js'

/** Findings of one round that are said one by one. */
const MOST_SAID = 100

/**
 * Verifies in a thread of its own, again and again, until the signal; what comes of it is in the metrics, and findings are on standard
 * error.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION`, `AUDIT_EVIDENCE_MALFORMED` at once
 */
export async function verifyBeside(
  flags: VerificationFlags,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  await verificationOf(flags)
  void verifyInRounds({
    everyMs,
    verify: () => verifiedByThread(flags, signal),
    metrics: new VerifyMetrics(),
    onVerified: async ({ findings }) => {
      if (findings > 0) say(`verification has ${findings} findings (otel-audit verify names them all)`)
    },
    onFailure: (error) => {
      const text = error instanceof AuditError ? `${error.message}\n${error.remedy}` : errorText(error)
      say(`not verified: ${text}`)
    },
    signal,
  })
}

function verifiedByThread(flags: VerificationFlags, signal: AbortSignal): Promise<VerifiedCounts> {
  const program = packageFile('./verify-worker.js', import.meta.url)
  const worker = startThread(program, 'otel-audit verifier', { workerData: flags })
  let said = 0
  const end = (): void => void worker.terminate()
  signal.addEventListener('abort', end, { once: true })
  const answered = new Promise<VerifiedCounts>((resolve, reject) => {
    worker.on('message', (answer: VerifyAnswer) => {
      if ('verified' in answer) resolve(answer.verified)
      else if ('error' in answer) reject(unpackError(answer.error))
      else if (++said <= MOST_SAID) say(findingLine(answer.finding))
    })
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the thread that verifies has ended')))
  })
  return answered.finally(() => signal.removeEventListener('abort', end))
}

function say(text: string): void {
  process.stderr.write(`otel-audit: ${visible(text)}\n`)
}
