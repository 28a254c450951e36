import type { AuditError } from '../../errors.js'
import {
  type ArchiveFile,
  archiveError,
  type ArchiveStore,
  type FileStanding,
  type FileVersion,
  type Marking,
} from '../archive-store.js'
import { isAsStrong, isObjectLock, lockUntil, type ObjectLock } from '../object-lock.js'
import type { S3Answer, S3Client } from './s3-client.js'
import { type ListedVersion, Listings } from './s3-listing.js'
import { checksum, S3Upload } from './s3-upload.js'
import { element } from './s3-xml.js'

/** Of a file whose length nothing has proven yet. */
const LONGEST_READ = 256 * 1024 * 1024
/** A version that is not there; what is not a version of this store is refused with 400. */
const NO_SUCH_VERSION = [400, 404]

/** Archives in object storage that speaks the protocol of Amazon S3. A file is there when it is closed. */
export class S3Store implements ArchiveStore {
  readonly place: string
  readonly #client: S3Client
  readonly #listings: Listings
  readonly #lock: ObjectLock | undefined

  constructor(client: S3Client, listings = new Listings(client), lock?: ObjectLock) {
    this.place = client.nameOf(undefined)
    this.#client = client
    this.#listings = listings
    this.#lock = lock
  }

  async folders(): Promise<readonly string[]> {
    this.#listings.forget()
    const names = new Set<string>()
    for (const [file, versions] of await this.#listings.latest()) {
      const [folder = '', name] = file.split('/')
      // A file that is hidden is still there when it is one that proves something; else it was discarded.
      const isKept = versions[0]?.isMarker === false || (file.endsWith('.note') && versions.some(isFile))
      if (name !== undefined && isKept) names.add(folder)
    }
    return [...names].toSorted()
  }

  async versions(file: string): Promise<readonly (string | undefined)[]> {
    const versions = (await this.#listings.latest()).get(file) ?? []
    return versions.filter(isFile).map(({ version }) => version)
  }

  async stat(file: string, version?: string): Promise<FileStanding | undefined> {
    const versions = (await this.#listings.latest()).get(file) ?? []
    const [newest] = versions
    const found = versions.find((one) => isFile(one) && one.version === version) ?? versions.find(isFile)
    if (found === undefined || newest === undefined) return undefined
    if (found === newest) return { bytes: found.bytes }
    return { bytes: found.bytes, hiddenBy: newest.isMarker ? 'a delete marker' : 'a newer version' }
  }

  async read(file: string, version?: string): Promise<Buffer> {
    const { bytes = 0 } = (await this.stat(file, version)) ?? {}
    if (bytes > LONGEST_READ) throw archiveError(`${this.#client.nameOf(file)} is too long`)
    return (await this.#get(file, version, {})).body
  }

  async readAt(file: string, offset: number, length: number, version?: string): Promise<Buffer> {
    if (length === 0) return Buffer.alloc(0)
    const answer = await this.#get(file, version, { range: `bytes=${offset}-${offset + length - 1}` })
    // 200: the store knows no ranges, and has sent all of it.
    const body = answer.status === 200 ? answer.body.subarray(offset, offset + length) : answer.body
    if (answer.status !== 416 && body.length === length) return body
    throw archiveError(`${this.#client.nameOf(file)} is shorter than its manifest says`)
  }

  async create(file: string): Promise<ArchiveFile> {
    this.#listings.forget()
    const upload = new S3Upload(this.#client, file, this.#lock)
    return {
      write: (bytes) => upload.write(bytes),
      close: async () => {
        const version = await upload.close()
        this.#listings.forget()
        if (this.#lock !== undefined) await this.#checkLock(file, version, this.#lock)
        return version
      },
      abandon: () => upload.abandon(),
    }
  }

  async discard(folder: string): Promise<void> {
    const listing = await this.#listings.latest()
    for (const [file, [newest]] of listing) {
      if (!file.startsWith(`${folder}/`) || newest === undefined || newest.isMarker) continue
      await this.#client.ask({ method: 'DELETE', file, needs: 's3:DeleteObject' })
    }
    this.#listings.forget()
  }

  lockedBy(lock: ObjectLock): S3Store {
    return new S3Store(this.#client, this.#listings, lock)
  }

  async lockOf(file: string, version?: string): Promise<ObjectLock | undefined> {
    const { headers } = await this.#head(file, version)
    const until = Date.parse(headers.get('x-amz-object-lock-retain-until-date') ?? '')
    const mode = headers.get('x-amz-object-lock-mode')
    if (Number.isNaN(until)) return undefined
    const lock = lockUntil(mode === 'COMPLIANCE' ? mode : 'GOVERNANCE', until)
    return mode !== null && isObjectLock(lock) ? lock : undefined
  }

  async mark(_folder: string, files: readonly FileVersion[], isHeld: boolean): Promise<Marking> {
    const wanted = isHeld ? 'ON' : 'OFF'
    for (const { file, version } of files) {
      const body = Buffer.from(element('LegalHold', element('Status', wanted)))
      try {
        await this.#client.ask({
          method: 'PUT',
          file,
          query: { 'legal-hold': '', ...ofVersion(version) },
          headers: checksum(body),
          body,
          needs: 's3:PutObjectLegalHold',
        })
      } catch (error) {
        if (/has no Object Lock/.test((error as AuditError).reason)) return 'none'
        throw error
      }
      const { headers } = await this.#head(file, version)
      if ((headers.get('x-amz-object-lock-legal-hold') ?? 'OFF') !== wanted) {
        throw archiveError(
          `${this.#client.nameOf(file)}: the store took the legal hold ${wanted}, and does not show it`,
          undefined,
          'The credentials need s3:GetObjectLegalHold to see it.',
        )
      }
    }
    return 'legal hold'
  }

  /** Stores that take the headers of a lock and do not keep it are told by what they show. */
  async #checkLock(file: string, version: string | undefined, lock: ObjectLock): Promise<void> {
    const shown = await this.lockOf(file, version)
    if (shown !== undefined && isAsStrong(shown, lock)) return
    await this.#retain(file, version, lock)
    const now = await this.lockOf(file, version)
    if (now !== undefined && isAsStrong(now, lock)) return
    throw archiveError(
      `${this.#client.nameOf(file)}: it was stored, and the store does not show that it is locked until ${lock.until}`,
      undefined,
      'Make the bucket with Object Lock. The credentials need s3:GetObjectRetention to see the lock.',
    )
  }

  async #retain(file: string, version: string | undefined, { mode, until }: ObjectLock): Promise<void> {
    const body = Buffer.from(element('Retention', element('Mode', mode) + element('RetainUntilDate', until)))
    await this.#client.ask({
      method: 'PUT',
      file,
      query: { retention: '', ...ofVersion(version) },
      headers: checksum(body),
      body,
      needs: 's3:PutObjectRetention',
    })
  }

  #head(file: string, version: string | undefined): Promise<S3Answer> {
    return this.#client.ask({
      method: 'HEAD',
      file,
      query: ofVersion(version),
      needs: version === undefined ? 's3:GetObject' : 's3:GetObjectVersion',
    })
  }

  async #get(
    file: string,
    version: string | undefined,
    headers: Readonly<Record<string, string>>,
  ): Promise<S3Answer> {
    const ask = (of: string | undefined, accepts: readonly number[]): Promise<S3Answer> =>
      this.#client.ask({
        method: 'GET',
        file,
        query: ofVersion(of),
        headers,
        needs: of === undefined ? 's3:GetObject' : 's3:GetObjectVersion',
        accepts: [416, ...accepts],
      })
    if (version === undefined) return ask(undefined, [])
    const answer = await ask(version, NO_SUCH_VERSION)
    return NO_SUCH_VERSION.includes(answer.status) ? ask(undefined, []) : answer
  }
}

function isFile({ isMarker }: ListedVersion): boolean {
  return !isMarker
}

function ofVersion(version: string | undefined): Readonly<Record<string, string>> {
  return version === undefined ? {} : { versionId: version }
}
