import { performance, wallClock } from '../host/globals.js'
import type { NoteSigner } from '../chain/note-key.js'
import type { PartedSnapshot } from '../postgres/read/parted-snapshot.js'
import type { Anchors } from '../verify/anchors.js'
import type { Finding } from '../verify/finding.js'
import { type IncrementalReport, verifyOnwards } from '../verify/state/incremental.js'
import { sumKeyOf } from '../verify/state/verifier-key.js'
import type { Trust } from '../verify/trust.js'
import { verify, type VerifyProgress, type VerifyReport } from '../verify/verify.js'
import type { StateFile } from './state-file.js'

/** What is verified, again and again. */
export interface Verification {
  /** A new snapshot of the trail. */
  readonly open: () => Promise<PartedSnapshot>
  readonly trust: Trust
  /** What is known of it from elsewhere, by now. */
  readonly anchors: () => Promise<Anchors>
  readonly everySignature?: boolean | undefined
  /** Undefined: everything is verified each time. */
  readonly onwards:
    | {
        readonly file: StateFile
        readonly signer: NoteSigner
        /** Of the key that signs. */
        readonly log: string
        readonly fullEveryMs: number
      }
    | undefined
}

export interface VerificationTold {
  readonly onOpen?: ((snapshot: PartedSnapshot) => Promise<void> | void) | undefined
  readonly onFinding: (finding: Finding) => void
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined
}

/** What a verification came to, in numbers. */
export interface VerifiedCounts {
  readonly findings: number
  /** Rows that it has proven. */
  readonly rows: number
  readonly seconds: number
  /** Nothing was found, and everything could be checked. */
  readonly isSuccess: boolean
}

export interface Verified extends VerifiedCounts {
  readonly report: VerifyReport & Partial<Pick<IncrementalReport, 'incremental'>>
  /** Of the state that it left, 64 hex digits. Undefined: it left none. */
  readonly stateSha256: string | undefined
}

/**
 * Verifies once, and leaves a state where there is a file for one: after the run has come to its end, and not before.
 *
 * @throws AuditError `AUDIT_VERIFY_STATE` for a state that is not to be believed, before anything is read; whatever snapshot and anchors
 *   throw
 */
export async function verifyOnce(verification: Verification, told: VerificationTold): Promise<Verified> {
  const { onwards, trust, everySignature } = verification
  const began = performance.now()
  const found = await onwards?.file.read()
  const anchors = await verification.anchors()
  const snapshot = await verification.open()
  try {
    await told.onOpen?.(snapshot)
    const request = { trust, anchors, everySignature, ...told }
    if (onwards === undefined) {
      const report = await verify(snapshot, { ...request, selection: { chain: undefined, ids: undefined } })
      return verifiedBy(report, began, undefined)
    }
    const { log, signer, file, fullEveryMs } = onwards
    const { report, next } = await verifyOnwards(snapshot, {
      ...request,
      state: found?.state,
      isOfOtherKey: found?.isOfOtherKey,
      before: found?.sha256,
      log,
      sumKey: sumKeyOf(signer, await snapshot.trail()),
      now: wallClock(),
      fullEveryMs,
    })
    return verifiedBy(report, began, next === undefined ? undefined : await file.write(next))
  } finally {
    await snapshot.close()
  }
}

function verifiedBy(report: Verified['report'], began: number, stateSha256: string | undefined): Verified {
  const { findings, rows, unread } = report
  return {
    report,
    findings: [...findings.values()].reduce((sum, count) => sum + count, 0),
    rows: rows.proven,
    seconds: (performance.now() - began) / 1000,
    isSuccess: findings.size === 0 && unread.count === 0,
    stateSha256,
  }
}
