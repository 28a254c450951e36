import { createHash, randomUUID } from 'node:crypto'

/** A request for an object, or for the bucket. */
export interface Asked {
  readonly method: string
  /** Empty: the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly header: (name: string) => string | undefined
  readonly body: Buffer
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export interface StoredVersion {
  id: string
  body: Buffer
  isMarker: boolean
  etag: string
  mode?: string | undefined
  until?: string | undefined
  isHeld: boolean
}

/** What is refused, with the code of S3. */
export class Refused extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message = code) {
    super(message)
    this.status = status
    this.code = code
  }
}

interface Upload {
  readonly key: string
  readonly headers: Asked['header']
  readonly parts: Map<number, { body: Buffer; etag: string; checksum: string }>
}

export interface BucketSettings {
  /** Default: as a bucket with Object Lock has it. */
  isVersioned?: boolean
  hasLock?: boolean
  /** Lists versions and takes conditions: what other stores lack. */
  isWhole?: boolean
  /** Keys of one page of a listing. */
  pageKeys?: number
  /** It takes the headers of a lock, and does not keep them. */
  ignoresLock?: boolean
}

const LEAST_PART = 5 * 1024 * 1024
const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('base64')
const etagOf = (body: Buffer): string => `"${createHash('md5').update(body).digest('hex')}"`
const tag = (name: string, text: string | number | boolean): string => `<${name}>${text}</${name}>`
const textIn = (body: Buffer, name: string): string =>
  new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(body.toString())?.[1] ?? ''

/** One bucket in memory that keeps its rules: versions, conditions, checksums, Object Lock, legal holds, uploads in parts. */
export class Bucket {
  /** By key, the oldest first. */
  readonly objects = new Map<string, StoredVersion[]>()
  readonly uploads = new Map<string, Upload>()
  readonly settings: Required<BucketSettings>

  constructor(settings: BucketSettings) {
    this.settings = {
      isVersioned: true,
      hasLock: true,
      isWhole: true,
      pageKeys: 1000,
      ignoresLock: false,
      ...settings,
    }
  }

  answer(asked: Asked): Answer {
    const { method, key, query, body } = asked
    if (key === '') return this.#list(query)
    if (method === 'PUT' && query.has('partNumber')) return this.#putPart(asked)
    if (method === 'PUT' && query.has('retention')) return this.#retain(asked)
    if (method === 'PUT' && query.has('legal-hold')) return this.#hold(asked)
    if (method === 'PUT') {
      checkSum(asked, body)
      this.#checkCondition(asked, key)
      return { status: 200, headers: this.#store(key, body, etagOf(body), asked.header) }
    }
    if (method === 'POST' && query.has('uploads')) return this.#begin(asked)
    if (method === 'POST') return this.#complete(asked)
    if (method === 'DELETE' && query.has('uploadId')) return this.#abort(asked)
    if (method === 'DELETE') return this.#delete(key, query.get('versionId'))
    return this.#get(asked)
  }

  current(key: string): StoredVersion | undefined {
    return this.objects.get(key)?.at(-1)
  }

  #checkCondition({ header }: Asked, key: string): void {
    if (header('if-none-match') === undefined) return
    if (!this.settings.isWhole) throw new Refused(501, 'NotImplemented')
    const current = this.current(key)
    if (current !== undefined && !current.isMarker) throw new Refused(412, 'PreconditionFailed')
  }

  #store(key: string, body: Buffer, etag: string, header: Asked['header']): Record<string, string> {
    const mode = header('x-amz-object-lock-mode')
    const until = header('x-amz-object-lock-retain-until-date')
    if (mode !== undefined) this.#needsLock()
    const version: StoredVersion = {
      id: this.settings.isVersioned ? randomUUID() : 'null',
      body,
      etag,
      isMarker: false,
      isHeld: false,
    }
    if (!this.settings.ignoresLock) Object.assign(version, { mode, until })
    this.#put(key, version)
    return { etag, ...(this.settings.isVersioned && { 'x-amz-version-id': version.id }) }
  }

  #put(key: string, version: StoredVersion): void {
    const older = this.settings.isVersioned ? (this.objects.get(key) ?? []) : []
    this.objects.set(key, [...older, version])
  }

  #needsLock(): void {
    if (this.settings.hasLock) return
    throw new Refused(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration')
  }

  #begin({ key, header }: Asked): Answer {
    const id = randomUUID()
    if (header('x-amz-object-lock-mode') !== undefined) this.#needsLock()
    this.uploads.set(id, { key, headers: header, parts: new Map() })
    return { status: 200, body: tag('InitiateMultipartUploadResult', tag('UploadId', id)) }
  }

  #upload({ key, query }: Asked): Upload {
    const upload = this.uploads.get(query.get('uploadId') ?? '')
    if (upload?.key !== key) throw new Refused(404, 'NoSuchUpload')
    return upload
  }

  #putPart(asked: Asked): Answer {
    const { body, query } = asked
    checkSum(asked, body)
    const etag = etagOf(body)
    this.#upload(asked).parts.set(Number(query.get('partNumber')), { body, etag, checksum: sha256(body) })
    return { status: 200, headers: { etag } }
  }

  #complete(asked: Asked): Answer {
    const { key, query } = asked
    const upload = this.#upload(asked)
    const named = [...asked.body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)].map(([part]) =>
      Buffer.from(part),
    )
    const parts = named.map((part, i) => {
      const found = upload.parts.get(Number(textIn(part, 'PartNumber')))
      const isIt = found?.etag === textIn(part, 'ETag') && found.checksum === textIn(part, 'ChecksumSHA256')
      if (found === undefined || !isIt) throw new Refused(400, 'InvalidPart')
      if (i < named.length - 1 && found.body.length < LEAST_PART) throw new Refused(400, 'EntityTooSmall')
      return found
    })
    this.#checkCondition(asked, key)
    const body = Buffer.concat(parts.map((part) => part.body))
    const headers = this.#store(key, body, `"${randomUUID()}-${parts.length}"`, upload.headers)
    this.uploads.delete(query.get('uploadId') ?? '')
    return { status: 200, headers, body: tag('CompleteMultipartUploadResult', tag('Key', key)) }
  }

  #abort(asked: Asked): Answer {
    this.#upload(asked)
    this.uploads.delete(asked.query.get('uploadId') ?? '')
    return { status: 204 }
  }

  #version({ key, query }: Pick<Asked, 'key' | 'query'>): StoredVersion {
    const id = query.get('versionId')
    if (id !== null && !/^[0-9a-f-]{36}$/.test(id)) throw new Refused(400, 'InvalidArgument')
    const found = id === null ? this.current(key) : this.objects.get(key)?.find((one) => one.id === id)
    if (found === undefined) throw new Refused(404, id === null ? 'NoSuchKey' : 'NoSuchVersion')
    if (found.isMarker)
      throw new Refused(id === null ? 404 : 405, id === null ? 'NoSuchKey' : 'MethodNotAllowed')
    return found
  }

  #get(asked: Asked): Answer {
    const { id, body, etag, mode, until, isHeld } = this.#version(asked)
    const headers: Record<string, string> = {
      etag,
      ...(this.settings.isVersioned && { 'x-amz-version-id': id }),
      ...(mode !== undefined &&
        until !== undefined && {
          'x-amz-object-lock-mode': mode,
          'x-amz-object-lock-retain-until-date': until,
        }),
      ...(isHeld && { 'x-amz-object-lock-legal-hold': 'ON' }),
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(asked.header('range') ?? '')
    if (range === null) return { status: 200, headers, body }
    const [from, to] = [Number(range[1]), Number(range[2])]
    if (from >= body.length) throw new Refused(416, 'InvalidRange')
    return { status: 206, headers, body: body.subarray(from, to + 1) }
  }

  #delete(key: string, id: string | null): Answer {
    const versions = this.objects.get(key) ?? []
    const now = new Date().toISOString()
    if (id !== null || !this.settings.isVersioned) {
      const found = id === null ? this.current(key) : versions.find((one) => one.id === id)
      if (found?.isHeld === true || (found?.until ?? '') > now)
        throw new Refused(403, 'AccessDenied', 'it is locked')
      this.objects.set(
        key,
        versions.filter((one) => one !== found),
      )
      if (this.objects.get(key)?.length === 0) this.objects.delete(key)
    } else {
      this.#put(key, { id: randomUUID(), body: Buffer.alloc(0), isMarker: true, etag: '', isHeld: false })
    }
    return { status: 204 }
  }

  #retain(asked: Asked): Answer {
    checkSum(asked, asked.body)
    this.#needsLock()
    const version = this.#version(asked)
    const [mode, until] = [textIn(asked.body, 'Mode'), textIn(asked.body, 'RetainUntilDate')]
    const isLess = until < (version.until ?? '') || (version.mode === 'COMPLIANCE' && mode !== 'COMPLIANCE')
    if (isLess) throw new Refused(403, 'AccessDenied', 'a lock is not shortened')
    if (!this.settings.ignoresLock) Object.assign(version, { mode, until })
    return { status: 200 }
  }

  #hold(asked: Asked): Answer {
    checkSum(asked, asked.body)
    this.#needsLock()
    this.#version(asked).isHeld = textIn(asked.body, 'Status') === 'ON'
    return { status: 200 }
  }

  #list(query: URLSearchParams): Answer {
    const isOfVersions = query.has('versions')
    if (isOfVersions && !this.settings.isWhole) throw new Refused(501, 'NotImplemented')
    const prefix = query.get('prefix') ?? ''
    const after = query.get('key-marker') ?? query.get('continuation-token') ?? ''
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted()
    const page = keys.slice(0, this.settings.pageKeys)
    const isTruncated = page.length < keys.length
    const last = page.at(-1) ?? ''
    const entries = page.flatMap((key) => (isOfVersions ? this.#entries(key) : this.#entry(key)))
    const next = !isTruncated
      ? ''
      : isOfVersions
        ? tag('NextKeyMarker', last) + tag('NextVersionIdMarker', this.objects.get(last)?.[0]?.id ?? '')
        : tag('NextContinuationToken', last)
    return { status: 200, body: tag('ListResult', tag('IsTruncated', isTruncated) + next + entries.join('')) }
  }

  #entries(key: string): string[] {
    const versions = this.objects.get(key) ?? []
    return versions
      .toReversed()
      .map(({ id, isMarker, body }, i) =>
        tag(
          isMarker ? 'DeleteMarker' : 'Version',
          tag('Key', key) +
            tag('VersionId', id) +
            tag('IsLatest', i === 0) +
            (isMarker ? '' : tag('Size', body.length)),
        ),
      )
  }

  #entry(key: string): string[] {
    const current = this.current(key)
    if (current === undefined || current.isMarker) return []
    return [tag('Contents', tag('Key', key) + tag('Size', current.body.length))]
  }
}

function checkSum({ header }: Asked, body: Buffer): void {
  if (header('x-amz-sdk-checksum-algorithm') !== 'SHA256')
    throw new Refused(400, 'InvalidRequest', 'a checksum is needed')
  if (header('x-amz-checksum-sha256') !== sha256(body)) throw new Refused(400, 'BadDigest')
}
