import { AwsClient } from 'aws4fetch'

export const ACCOUNT = Object.freeze({
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'canary-of-the-secret-access-key',
  AWS_SESSION_TOKEN: 'canary-of-the-session-token',
  AWS_REGION: 'us-east-1',
})

export interface Version {
  readonly key: string
  readonly version: string
  readonly isMarker: boolean
  /** Nothing hides it. */
  readonly isLatest: boolean
}

/** Somebody who has all rights on a bucket, and asks for things by hand. */
export class BucketOwner {
  readonly #client: AwsClient
  readonly #endpoint: string

  constructor(endpoint: string) {
    this.#endpoint = endpoint
    this.#client = new AwsClient({
      accessKeyId: ACCOUNT.AWS_ACCESS_KEY_ID,
      secretAccessKey: ACCOUNT.AWS_SECRET_ACCESS_KEY,
      sessionToken: ACCOUNT.AWS_SESSION_TOKEN,
      region: ACCOUNT.AWS_REGION,
      service: 's3',
    })
  }

  /** @param path `bucket/key?query` */
  ask(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Uint8Array,
  ): Promise<Response> {
    return this.#client.fetch(`${this.#endpoint}/${path}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
    })
  }

  /** Of all files whose key begins so, the newest first. */
  async versions(bucket: string, prefix = ''): Promise<readonly Version[]> {
    const found: Version[] = []
    for (let next = ''; ; ) {
      const answer = await this.ask('GET', `${bucket}?versions&prefix=${encodeURIComponent(prefix)}${next}`)
      const xml = await answer.text()
      for (const [, kind, entry = ''] of xml.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)) {
        found.push({
          key: textOf(entry, 'Key'),
          version: textOf(entry, 'VersionId'),
          isMarker: kind === 'DeleteMarker',
          isLatest: textOf(entry, 'IsLatest') === 'true',
        })
      }
      if (textOf(xml, 'IsTruncated') !== 'true') return found
      const [key, version] = [textOf(xml, 'NextKeyMarker'), textOf(xml, 'NextVersionIdMarker')]
      next = `&key-marker=${encodeURIComponent(key)}&version-id-marker=${encodeURIComponent(version)}`
    }
  }
}

function textOf(xml: string, name: string): string {
  return new RegExp(`<${name}>(.*?)</${name}>`).exec(xml)?.[1] ?? ''
}
