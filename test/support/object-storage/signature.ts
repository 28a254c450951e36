import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

// AWS Signature Version 4, as a server checks it. Source: "Authenticating requests (AWS Signature Version 4)" of the Amazon S3 API
// reference.

export interface Account {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly region: string
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
const LONGEST_SKEW_MS = 15 * 60_000

const hex = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')
const mac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const escaped = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

/** @returns the code of S3 with which the request is refused */
export function refusedBy(
  account: Account,
  request: IncomingMessage,
  body: Buffer,
  now: number,
): string | undefined {
  const { headers, method = '', url = '' } = request
  const header = (name: string): string => String(headers[name] ?? '')
  const [, id, day = '', region, signed = '', signature] = AUTHORIZATION.exec(header('authorization')) ?? []
  if (id === undefined) return 'AccessDenied'
  if (id !== account.accessKeyId) return 'InvalidAccessKeyId'
  if (header('x-amz-security-token') !== (account.sessionToken ?? '')) return 'InvalidToken'
  if (region !== account.region) return 'AuthorizationHeaderMalformed'
  if (hex(body) !== header('x-amz-content-sha256')) return 'XAmzContentSHA256Mismatch'
  const needed = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'))
  if (!needed.every((name) => signed.split(';').includes(name))) return 'AccessDenied'
  const at = header('x-amz-date')
  const time = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'))
  if (!(Math.abs(time - now) < LONGEST_SKEW_MS)) return 'RequestTimeTooSkewed'
  const { pathname, searchParams } = new URL(url, 'http://host')
  const query = [...searchParams].map(([name, value]) => `${escaped(name)}=${escaped(value)}`).toSorted()
  const canonical = [
    method,
    pathname
      .split('/')
      .map((part) => escaped(decodeURIComponent(part)))
      .join('/'),
    query.join('&'),
    ...signed.split(';').map((name) => `${name}:${header(name).trim()}`),
    '',
    signed,
    header('x-amz-content-sha256'),
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', at, scope, hex(canonical)].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    mac,
    `AWS4${account.secretAccessKey}`,
  )
  return mac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch'
}
