import type { AwsV4Signer } from 'aws4fetch'
import { AuditError } from '../../errors.js'
import { sha256 } from '../../event/sha256.js'
import { random, setTimeout } from '../../host/globals.js'
import { untraced } from '../../host/untraced.js'
import { archiveError } from '../archive-store.js'
import { codeOf, isPassing, type Refusal, refusalError } from './s3-errors.js'
import type { S3Place } from './s3-place.js'

/** As the variables of AWS say it. */
export interface S3Settings {
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: string | undefined
  readonly sessionToken?: string | undefined
  readonly region?: string | undefined
  /** Of another store than AWS: it is asked with the bucket in the path. */
  readonly endpoint?: string | undefined
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Below the prefix. Undefined: the bucket is asked. */
  readonly file?: string | undefined
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array<ArrayBuffer> | undefined
  /** The permission of IAM that it needs, for who is refused. */
  readonly needs: string
  /** Statuses beside 2xx that are answers. */
  readonly accepts?: readonly number[]
}

export interface S3Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
  /** An attempt before it may have been carried out: its answer was lost. */
  readonly isRepeated: boolean
}

/** Tries of one request: some 12 s altogether, after which a store counts as away. */
const TRIES = 8
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
/** Of one try, with its body: parts have 8 MiB. */
const TRY_MS = 120_000

/** Requests to one bucket, signed, and repeated while what refuses them is passing. */
export class S3Client {
  readonly #place: S3Place
  readonly #settings: S3Settings
  readonly #base: string
  readonly #region: string
  /** Keys that were derived, by day and region. */
  readonly #keys = new Map<string, ArrayBuffer>()
  #library: typeof import('aws4fetch') | undefined

  /** @throws AuditError `AUDIT_INVALID_OPTION` for settings that are missing */
  constructor(place: S3Place, settings: S3Settings) {
    this.#place = place
    this.#settings = settings
    this.#region = regionOf(settings)
    this.#base = baseOf(place.bucket, this.#region, settings.endpoint)
    if (settings.accessKeyId === undefined || settings.secretAccessKey === undefined) {
      throw missing(
        'accessKeyId',
        `${place.place} needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (aws configure export-credentials --format env prints them)`,
      )
    }
  }

  /** How a file is called in messages. */
  nameOf(file: string | undefined): string {
    return file === undefined ? this.#place.place : `${this.#place.place}/${file}`
  }

  get prefix(): string {
    return this.#place.prefix
  }

  /** @throws AuditError `AUDIT_ARCHIVE` for what is refused, and `AUDIT_MISSING_PACKAGE` without aws4fetch */
  async ask(request: S3Request): Promise<S3Answer> {
    let isRepeated = false
    for (let tries = 1; ; tries++) {
      const answer = await this.#try(request).catch((error: unknown) => {
        if (error instanceof AuditError || tries === TRIES) throw this.#unreachable(request, error)
        return undefined
      })
      if (answer !== undefined) {
        const { status } = answer
        if ((status >= 200 && status < 300) || request.accepts?.includes(status) === true) {
          return { ...answer, isRepeated }
        }
        const refusal = this.#refusal(request, answer)
        if (!isPassing(refusal) || tries === TRIES) throw refusalError(refusal)
      }
      isRepeated = true
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)) * (0.5 + random() / 2)
      await new Promise<void>((resolve) => setTimeout(() => resolve(), pauseMs))
    }
  }

  async #try(request: S3Request): Promise<Omit<S3Answer, 'isRepeated'>> {
    const { method, body } = request
    const { url, headers } = await (await this.#signer(request)).sign()
    const answer = await untraced(() =>
      fetch(url, {
        method,
        headers,
        redirect: 'manual',
        signal: AbortSignal.timeout(TRY_MS),
        ...(body !== undefined && { body }),
      }),
    )
    const taken = Buffer.from(await answer.arrayBuffer())
    // What takes long is begun with 200, and may have failed all the same.
    const hasFailed = answer.ok && method === 'POST' && codeOf({ body: taken.toString() }) !== undefined
    return { status: hasFailed ? 500 : answer.status, headers: answer.headers, body: taken }
  }

  async #signer({ method, file, query = {}, headers, body }: S3Request): Promise<AwsV4Signer> {
    this.#library ??= await import('aws4fetch').catch((cause: unknown) => {
      throw new AuditError(
        'AUDIT_MISSING_PACKAGE',
        `${this.#place.place} needs the package aws4fetch: npm install aws4fetch`,
        { cause },
      )
    })
    const url = new URL(file === undefined ? this.#base : `${this.#base}/${this.#place.prefix}${file}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const { accessKeyId = '', secretAccessKey = '', sessionToken } = this.#settings
    return new this.#library.AwsV4Signer({
      service: 's3',
      region: this.#region,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      cache: this.#keys,
      method,
      url: url.href,
      headers: { ...headers, 'x-amz-content-sha256': sha256(body ?? '').toString('hex') },
    })
  }

  #refusal({ file, needs }: S3Request, { status, headers, body }: Omit<S3Answer, 'isRepeated'>): Refusal {
    return { status, headers, body: body.toString(), what: this.nameOf(file), needs }
  }

  #unreachable({ file }: S3Request, error: unknown): AuditError {
    if (error instanceof AuditError) return error
    const { cause } = error as { readonly cause?: { readonly code?: unknown } }
    const why = typeof cause?.code === 'string' ? cause.code : (error as Error).name
    return archiveError(
      `${this.nameOf(file)}: the store does not answer (${why})`,
      error,
      'Look at the network, and at AWS_ENDPOINT_URL_S3 where the store is not AWS. Then run it again.',
    )
  }
}

function regionOf({ region, endpoint }: S3Settings): string {
  if (region !== undefined) return region
  // Other stores take any, and this by default.
  if (endpoint !== undefined) return 'us-east-1'
  throw missing('region', 'no region is given: set AWS_REGION to the region of the bucket')
}

/** Of AWS with the bucket in the host, where certificates cover it. */
function baseOf(bucket: string, region: string, endpoint: string | undefined): string {
  const domain = `s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
  if (endpoint === undefined)
    return bucket.includes('.') ? `https://${domain}/${bucket}` : `https://${bucket}.${domain}`
  if (/^https?:\/\//.test(endpoint) && URL.canParse(endpoint))
    return `${endpoint.replace(/\/+$/, '')}/${bucket}`
  throw missing('endpoint', 'AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL) must be an http or https URL')
}

function missing(field: string, problem: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', problem, { field })
}
