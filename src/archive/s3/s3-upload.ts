import { sha256 } from '../../event/sha256.js'
import { type ArchiveFile, archiveError } from '../archive-store.js'
import type { ObjectLock } from '../object-lock.js'
import type { S3Answer, S3Client } from './s3-client.js'
import { refusalError } from './s3-errors.js'
import { element, textOf } from './s3-xml.js'

/** At least 5 MiB each but the last, and at most 10,000 of them: files of up to 80 GB. */
const PART_BYTES = 8 * 1024 * 1024

const NEEDS = 's3:PutObject'
const NEVER_OVERWRITE = { 'if-none-match': '*' }

interface UploadedPart {
  readonly number: number
  readonly etag: string
  /** SHA-256, base64. */
  readonly checksum: string
}

/**
 * A file on its way: one request where it is short, else parts, of which one is being sent while the next one fills. Each request
 * has the SHA-256 of what it sends, and the store refuses what is not that.
 */
export class S3Upload implements ArchiveFile {
  readonly #client: S3Client
  readonly #file: string
  readonly #lock: ObjectLock | undefined
  #waiting: Uint8Array[] = []
  #length = 0
  #total = 0
  /** Of the upload in parts. */
  #id: string | undefined
  readonly #parts: UploadedPart[] = []
  #sending: Promise<void> = Promise.resolve()

  constructor(client: S3Client, file: string, lock: ObjectLock | undefined) {
    this.#client = client
    this.#file = file
    this.#lock = lock
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.length; ) {
      const piece = bytes.subarray(from, from + PART_BYTES - this.#length)
      // A copy is not needed: what is given is not written to again.
      this.#waiting.push(piece)
      this.#length += piece.length
      this.#total += piece.length
      from += piece.length
      if (this.#length === PART_BYTES) await this.#sendPart()
    }
  }

  async close(): Promise<string | undefined> {
    const answer = this.#id === undefined ? await this.#put() : await this.#complete()
    const version = answer.headers.get('x-amz-version-id')
    return version === null || version === 'null' ? undefined : version
  }

  /** Parts of an upload that is not completed are kept by the store, and paid for. */
  async abandon(): Promise<void> {
    await this.#sending.catch(() => {})
    if (this.#id === undefined) return
    const query = { uploadId: this.#id }
    const asked = {
      method: 'DELETE',
      file: this.#file,
      query,
      needs: 's3:AbortMultipartUpload',
      accepts: [404],
    } as const
    await this.#client.ask(asked).catch(() => {})
  }

  async #put(): Promise<S3Answer> {
    const body = this.#taken()
    const answer = await this.#client.ask({
      method: 'PUT',
      file: this.#file,
      headers: { ...NEVER_OVERWRITE, ...checksum(body), ...lockHeaders(this.#lock) },
      body,
      needs: this.#lock === undefined ? NEEDS : `${NEEDS} and s3:PutObjectRetention`,
      accepts: [412],
    })
    return answer.status === 412 ? this.#itself(answer, body) : answer
  }

  async #sendPart(): Promise<void> {
    const body = this.#taken()
    await this.#sending
    this.#id ??= await this.#begin()
    this.#sending = this.#part(this.#id, this.#parts.length + 1, body)
    // It is awaited before the next one: what goes wrong is told then.
    this.#sending.catch(() => {})
  }

  async #begin(): Promise<string> {
    const { body } = await this.#client.ask({
      method: 'POST',
      file: this.#file,
      query: { uploads: '' },
      headers: { 'x-amz-checksum-algorithm': 'SHA256', ...lockHeaders(this.#lock) },
      needs: this.#lock === undefined ? NEEDS : `${NEEDS} and s3:PutObjectRetention`,
    })
    const id = textOf(body.toString(), 'UploadId')
    if (id === undefined)
      throw archiveError(`${this.#client.nameOf(this.#file)}: the store began no upload in parts`)
    return id
  }

  async #part(uploadId: string, number: number, body: Uint8Array<ArrayBuffer>): Promise<void> {
    const headers = checksum(body)
    const query = { partNumber: String(number), uploadId }
    const answer = await this.#client.ask({
      method: 'PUT',
      file: this.#file,
      query,
      headers,
      body,
      needs: NEEDS,
    })
    this.#parts.push({
      number,
      etag: answer.headers.get('etag') ?? '',
      checksum: headers['x-amz-checksum-sha256'],
    })
  }

  async #complete(): Promise<S3Answer> {
    if (this.#length > 0) await this.#sendPart()
    await this.#sending
    const parts = this.#parts.map(({ number, etag, checksum: sum }) =>
      element('Part', element('PartNumber', number) + element('ETag', etag) + element('ChecksumSHA256', sum)),
    )
    const answer = await this.#client.ask({
      method: 'POST',
      file: this.#file,
      query: { uploadId: this.#id ?? '' },
      headers: NEVER_OVERWRITE,
      body: Buffer.from(element('CompleteMultipartUpload', parts.join(''))),
      needs: NEEDS,
      accepts: [404, 412],
    })
    // 404: an attempt before it, whose answer was lost, may have completed it.
    return answer.status >= 400 ? this.#itself(answer, undefined) : answer
  }

  /** Something is there. Of an attempt of ours whose answer was lost it is what we sent; else it is in the way. */
  async #itself(refused: S3Answer, body: Buffer | undefined): Promise<S3Answer> {
    if (!refused.isRepeated) throw this.#refused(refused)
    const method = body === undefined ? 'HEAD' : 'GET'
    const there = await this.#client.ask({ method, file: this.#file, needs: 's3:GetObject', accepts: [404] })
    const isIt =
      there.status !== 404 &&
      (body === undefined
        ? there.headers.get('content-length') === String(this.#total)
        : there.body.equals(body))
    if (!isIt) throw this.#refused(refused)
    return there
  }

  #refused({ status, headers, body }: S3Answer): Error {
    return refusalError({
      status,
      headers,
      body: body.toString(),
      what: this.#client.nameOf(this.#file),
      needs: NEEDS,
    })
  }

  #taken(): Buffer<ArrayBuffer> {
    const body = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#length = 0
    return body
  }
}

export function checksum(body: Uint8Array): {
  readonly 'x-amz-sdk-checksum-algorithm': string
  readonly 'x-amz-checksum-sha256': string
} {
  return {
    'x-amz-sdk-checksum-algorithm': 'SHA256',
    'x-amz-checksum-sha256': sha256(body).toString('base64'),
  }
}

function lockHeaders(lock: ObjectLock | undefined): Readonly<Record<string, string>> {
  if (lock === undefined) return {}
  return { 'x-amz-object-lock-mode': lock.mode, 'x-amz-object-lock-retain-until-date': lock.until }
}
