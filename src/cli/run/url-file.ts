import { rm, writeFile } from 'node:fs/promises'
import { AuditError } from '../../errors.js'
import { randomBytes } from '../../host/crypto.js'

const PASSWORD_BYTES = 24

/** A new file that only its owner can read, for the URL of a login with a password that is made here. */
export class UrlFile {
  readonly password = randomBytes(PASSWORD_BYTES).toString('base64url')
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Before the password is set: it would be known to nobody if the file could not be written. @throws AuditError */
  static async create(path: string): Promise<UrlFile> {
    try {
      await writeFile(path, '', { mode: 0o600, flag: 'wx' })
      return new UrlFile(path)
    } catch (cause) {
      const code = String((cause as { code?: unknown }).code)
      const remedy =
        code === 'EEXIST' ? 'an existing file is not overwritten' : 'name a file that this user may make'
      throw new AuditError('AUDIT_INVALID_OPTION', `--url-file ${path} cannot be made (${code}): ${remedy}`, {
        field: 'urlFile',
        cause,
      })
    }
  }

  async write(url: string): Promise<void> {
    await writeFile(this.#path, `${url}\n`)
  }

  /** The password was not set. */
  async remove(): Promise<void> {
    await rm(this.#path, { force: true })
  }
}
