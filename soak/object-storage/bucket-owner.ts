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
  ask(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Response> {
    return this.#client.fetch(`${this.#endpoint}/${path}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
    })
  }

  /** Of all files, the newest first. */
  async versions(bucket: string): Promise<readonly Version[]> {
    const xml = await (await this.ask('GET', `${bucket}?versions`)).text()
    const entries = [...xml.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)]
    const textOf = (entry: string, name: string): string =>
      new RegExp(`<${name}>(.*?)</${name}>`).exec(entry)?.[1] ?? ''
    return entries.map(([, kind, entry = '']) => ({
      key: textOf(entry, 'Key'),
      version: textOf(entry, 'VersionId'),
      isMarker: kind === 'DeleteMarker',
    }))
  }
}
