import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { NoteSigner, VerifierKey } from '../chain/note-key.js'
import { AuditError } from '../errors.js'
import { sha256 } from '../event/sha256.js'
import { errorText } from '../host/error-text.js'
import { openState, stateText } from '../verify/state/state-note.js'
import type { VerifyState } from '../verify/state/verify-state.js'

export interface FoundState {
  readonly state: VerifyState
  /** Of the file, 64 hex digits. */
  readonly sha256: string
  /** Another key of the verifier has signed it than the one at hand: sums with a secret of that one say nothing any more. */
  readonly isOfOtherKey: boolean
}

/** The file that one verification leaves to the next. It is there as a whole, signed, or it is the one before. */
export class StateFile {
  readonly path: string
  readonly #signer: NoteSigner
  readonly #keys: readonly VerifierKey[]
  #writing: Promise<unknown> = Promise.resolve()

  /**
   * @param signer signs what is written
   * @param keys what is read has to be signed by one of them
   */
  constructor(path: string, signer: NoteSigner, keys: readonly VerifierKey[]) {
    this.path = path
    this.#signer = signer
    this.#keys = keys
  }

  /** @returns undefined without a file. @throws AuditError `AUDIT_VERIFY_STATE` for one that is not to be believed */
  async read(): Promise<FoundState | undefined> {
    const text = await this.#text()
    if (text === undefined) return undefined
    const { state, signedBy } = openState(text, this.#keys)
    const isOfOtherKey = !signedBy.includes(this.#signer.verifierKey)
    return { state, sha256: sha256(text).toString('hex'), isOfOtherKey }
  }

  async #text(): Promise<string | undefined> {
    try {
      return await readFile(this.path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new AuditError('AUDIT_VERIFY_STATE', `${this.path} cannot be read: ${errorText(error)}`, {
        cause: error,
      })
    }
  }

  /** @returns the SHA-256 of the new file. @throws AuditError `AUDIT_VERIFY_STATE` when it cannot be written: the old one stays */
  write(state: VerifyState): Promise<string> {
    const text = stateText(state, this.#signer)
    const written = this.#replace(text).then(() => sha256(text).toString('hex'))
    this.#writing = written.catch(() => undefined)
    return written
  }

  /** When nothing is being written. */
  async settled(): Promise<void> {
    await this.#writing
  }

  async #replace(text: string): Promise<void> {
    const draft = `${this.path}.${process.pid}`
    try {
      const file = await open(draft, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, this.path)
      await syncDirectory(dirname(this.path))
    } catch (error) {
      await rm(draft, { force: true }).catch(() => undefined)
      const message = `the state cannot be written to ${this.path}: ${errorText(error)}`
      throw new AuditError('AUDIT_VERIFY_STATE', message, {
        cause: error,
        remedy:
          'Name a file in a directory that this user may write to. The state before is still there, if there was one.',
      })
    }
  }
}

/** Else the name may still lead to the old file after the machine has crashed. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
