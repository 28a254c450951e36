import { readFile } from 'node:fs/promises'
import { logNameFor } from '../../chain/chain-key.js'
import { NoteSigner } from '../../chain/note-key.js'
import { AuditError } from '../../errors.js'
import { resolveOptions, resolveVerifyOptions } from '../../options/resolve.js'
import type { ReadSettings } from '../../options/read-options.js'
import type { VerifySettings } from '../../options/verify-options.js'
import type { AnchorLines } from '../../verify/anchor-file.js'
import { verifierKeyName } from '../../verify/state/verifier-key.js'
import type { Trust } from '../../verify/trust.js'
import { durationMs } from '../../watch/duration.js'
import { StateFile } from '../../watch/state-file.js'
import type { Verification } from '../../watch/verification.js'
import { type DatabaseFlags, partedSnapshotOf, readSettingsOf, urlOf } from './verify-database.js'
import { anchorsFrom, trailsOf, trustFrom } from './verify-input.js'

export interface VerificationFlags extends DatabaseFlags {
  readonly trust?: string
  readonly anchors?: string
  readonly everySignature?: boolean
  readonly state?: string
  readonly verifierKey?: string
  readonly fullEvery?: string
  readonly metricsHost?: string
  readonly metricsPort?: string
}

/** A verification as a command was asked for it. */
export interface AskedVerification {
  readonly verification: Verification
  readonly settings: ReadSettings & VerifySettings
  readonly trust: Trust
  /** What the lines of the anchors have come to, of the last time that they were read. */
  readonly lines: () => AnchorLines | undefined
}

/** @throws AuditError `AUDIT_INVALID_OPTION`, `AUDIT_EVIDENCE_MALFORMED` */
export async function verificationOf(flags: VerificationFlags): Promise<AskedVerification> {
  const settings = {
    ...readSettingsOf(flags),
    ...resolveVerifyOptions(
      {
        verifyState: flags.state,
        verifierKeyFile: flags.verifierKey,
        verifyFullEvery: flags.fullEvery,
        metricsHost: flags.metricsHost,
        metricsPort: flags.metricsPort === undefined ? undefined : Number(flags.metricsPort),
      },
      process.env,
    ),
  }
  const given = await trustFrom(flags.trust)
  const trust = { ...given, trails: trailsOf(given, settings.trail) }
  let lines: AnchorLines | undefined
  const { verifyState, verifyFullEvery } = settings
  return {
    settings,
    trust,
    lines: () => lines,
    verification: {
      open: () => partedSnapshotOf(settings, trust.trails),
      trust,
      everySignature: flags.everySignature,
      async anchors() {
        const read = await anchorsFrom(flags.anchors)
        lines = read.lines
        return read.anchors
      },
      onwards:
        verifyState === undefined
          ? undefined
          : {
              ...(await stateFileOf(verifyState, settings, trust)),
              fullEveryMs: durationMs(verifyFullEvery, 'verifyFullEvery'),
            },
    },
  }
}

async function stateFileOf(
  path: string,
  settings: ReadSettings & VerifySettings,
  trust: Trust,
): Promise<{ readonly file: StateFile; readonly signer: NoteSigner; readonly log: string }> {
  const { verifierKeyFile: keyFile } = settings
  if (keyFile === undefined) {
    throw invalid(
      'a state is signed, and no verifier key is given: use --verifier-key, or set NOETL_SECRET_AUDIT_VERIFIER_KEY_FILE (otel-audit keys create --verifier makes one)',
    )
  }
  const log = await logOf(settings, trust)
  const signer = await signerFrom(keyFile, log)
  const { verifier: keys = [signer.key] } = trust
  if (!keys.some((key) => String(key) === signer.verifierKey)) {
    throw invalid(`${keyFile} is not a verifier key that the trust file names (a line "verifier")`)
  }
  return { file: new StateFile(path, signer, keys), signer, log }
}

async function logOf(settings: ReadSettings, { origin }: Trust): Promise<string> {
  const known = origin ?? resolveOptions({}, process.env).origin
  if (known !== undefined) return known
  const given = urlOf(settings)
  const url = typeof given === 'string' ? given : await given()
  return logNameFor(URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.slice(1)) : '')
}

async function signerFrom(file: string, log: string): Promise<NoteSigner> {
  const pem = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw invalid(`${file} cannot be read (${String((cause as { code?: unknown }).code)})`)
  })
  try {
    return new NoteSigner(verifierKeyName(log), pem)
  } catch (error) {
    throw invalid(`${file}: ${(error as AuditError).reason}`)
  }
}

function invalid(message: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', message, { field: 'verifierKeyFile' })
}
