import { Operation } from '../../event/vocabulary.js'
import { AWS_APIS, type AwsApi, isWanted } from '../clients/aws-apis.js'
import type { Access } from '../open-access.js'
import type { InstrumentSettings } from '../settings.js'
import { cborKeys, type Found, jsonKeys } from './body-keys.js'
import type { Target, WireRequest } from './target.js'

/** A request that reads or writes a secret of AWS, or uses a key. What it asks for is in its body. */
export interface AwsRequest {
  readonly api: string
  readonly operation: Operation
  /** Its access, once its body is known; undefined when the answer cannot have a secret. */
  access(body: string | Uint8Array | undefined): Access | undefined
}

/** Services, as the header `x-amz-target` and the path of `rpc-v2-cbor` name them. */
const SERVICES: Readonly<Record<string, Readonly<Record<string, AwsApi>>>> = {
  secretsmanager: AWS_APIS.SecretsManagerClient,
  AmazonSSM: AWS_APIS.SSMClient,
  TrentService: AWS_APIS.KMSClient,
}

/** Keys of bodies that say what is asked for. No other value of a body is kept. */
const IDENTIFIERS: ReadonlySet<string> = new Set([
  'SecretId',
  'SecretIdList',
  'Name',
  'Names',
  'Path',
  'KeyId',
  'WithDecryption',
])

const CBOR_PATH = /^\/service\/(\w+)\/operation\/(\w+)$/
const JSON_TARGET = /^(\w+)\.(\w+)$/
/** Source: the credential scope of Signature Version 4. */
const SCOPE = /Credential=[^/\s]+\/\d{8}\/([a-z0-9-]+)\//

export function awsRequest(
  request: WireRequest,
  target: Target,
  settings: InstrumentSettings,
): AwsRequest | undefined {
  const header = request.header('x-amz-target')
  if (header === undefined && !target.path.startsWith('/service/')) return undefined
  const [, service = '', api = ''] =
    (header === undefined ? CBOR_PATH.exec(target.path) : JSON_TARGET.exec(header)) ?? []
  const known = Object.hasOwn(SERVICES, service) ? SERVICES[service] : undefined
  const entry = known !== undefined && Object.hasOwn(known, api) ? known[api] : undefined
  if (entry === undefined || !isWanted(entry, settings)) return undefined
  const isCbor = header === undefined
  return {
    api,
    operation: entry.operation,
    access(body) {
      // Without its body the names are not known; that it was asked for is.
      const found = body === undefined ? undefined : keysOf(body, isCbor)
      const asked = found === undefined ? [] : entry.asked(found, settings.ssm)
      if (found !== undefined && asked.length === 0) return undefined
      const [credential = 'unknown', ...more] = asked
      return {
        provider: 'aws',
        api,
        operation: entry.operation,
        credential,
        batch: more.length > 0 ? asked : undefined,
        serverRegion: SCOPE.exec(request.header('authorization') ?? '')?.[1],
        attributes: {
          type: service === 'AmazonSSM' ? 'unknown' : undefined,
          attempt: attemptOf(request.header('amz-sdk-request')),
          invocation: request.header('amz-sdk-invocation-id'),
        },
      }
    },
  }
}

function keysOf(body: string | Uint8Array, isCbor: boolean): Found {
  if (isCbor) return typeof body === 'string' ? {} : cborKeys(body, IDENTIFIERS)
  return jsonKeys(typeof body === 'string' ? body : Buffer.from(body).toString('utf8'), IDENTIFIERS)
}

function attemptOf(header: string | undefined): number | undefined {
  const attempt = /attempt=(\d{1,6})/.exec(header ?? '')?.[1]
  return attempt === undefined ? undefined : Number(attempt)
}
