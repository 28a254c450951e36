import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { packError, type PackedError } from '../../postgres/packed-error.js'
import type { Finding } from '../../verify/finding.js'
import { verifyOnce, type VerifiedCounts } from '../../watch/verification.js'
import { type VerificationFlags, verificationOf } from './verification-of.js'

// The program of a thread that verifies once: the server beside it goes on answering.

/** Findings one by one, then what came of it, or what went wrong. */
export type VerifyAnswer =
  | { readonly finding: Finding }
  | { readonly verified: VerifiedCounts }
  | { readonly error: PackedError }

async function verified(port: MessagePort, flags: VerificationFlags): Promise<VerifyAnswer> {
  try {
    const { verification } = await verificationOf(flags)
    const { findings, rows, seconds, isSuccess } = await verifyOnce(verification, {
      onFinding: (finding) => port.postMessage({ finding } satisfies VerifyAnswer),
    })
    return { verified: { findings, rows, seconds, isSuccess } }
  } catch (error) {
    return { error: packError(error) }
  }
}

async function run(port: MessagePort): Promise<void> {
  port.postMessage(await verified(port, workerData as VerificationFlags))
  port.close()
}

if (parentPort !== null) void run(parentPort)
