import type { S3Answer, S3Client } from './s3-client.js'
import { elementsOf, textOf } from './s3-xml.js'

export interface ListedVersion {
  /** Undefined: the bucket keeps none. */
  readonly version: string | undefined
  readonly bytes: number
  /** It hides what is older. */
  readonly isMarker: boolean
}

/** By `<folder>/<name>`: the versions of each file, the newest first. */
export type Listing = ReadonlyMap<string, readonly ListedVersion[]>

/** Of stores without versions. */
const NOT_IMPLEMENTED = [405, 501]

/** What is below the prefix, looked at once, and again when it was changed from here. */
export class Listings {
  readonly #client: S3Client
  #latest: Promise<Listing> | undefined

  constructor(client: S3Client) {
    this.#client = client
  }

  latest(): Promise<Listing> {
    if (this.#latest === undefined) {
      const listing = listVersions(this.#client)
      this.#latest = listing
      listing.catch(() => this.forget())
    }
    return this.#latest
  }

  /** Whoever changes something says so. */
  forget(): void {
    this.#latest = undefined
  }
}

/** All that is below the prefix: what hides something is only seen among the versions. */
async function listVersions(client: S3Client): Promise<Listing> {
  const found = new Map<string, ListedVersion[]>()
  const add = (entry: string, isMarker: boolean): void => {
    const key = textOf(entry, 'Key') ?? ''
    if (!key.startsWith(client.prefix)) return
    const file = key.slice(client.prefix.length)
    const version = textOf(entry, 'VersionId')
    const one = {
      version: version === 'null' ? undefined : version,
      bytes: Number(textOf(entry, 'Size') ?? 0),
      isMarker,
    }
    const known = found.get(file) ?? []
    // Markers and versions may come in lists of their own.
    if (textOf(entry, 'IsLatest') === 'true') known.unshift(one)
    else known.push(one)
    found.set(file, known)
  }
  let next: Record<string, string> = {}
  for (;;) {
    const answer = await page(client, { versions: '', ...next }, NOT_IMPLEMENTED)
    if (NOT_IMPLEMENTED.includes(answer.status)) return listFiles(client)
    const xml = answer.body.toString()
    for (const entry of elementsOf(xml, 'DeleteMarker')) add(entry, true)
    for (const entry of elementsOf(xml, 'Version')) add(entry, false)
    const key = textOf(xml, 'NextKeyMarker')
    if (textOf(xml, 'IsTruncated') !== 'true' || key === undefined) return found
    next = { 'key-marker': key, 'version-id-marker': textOf(xml, 'NextVersionIdMarker') ?? '' }
  }
}

async function listFiles(client: S3Client): Promise<Listing> {
  const found = new Map<string, ListedVersion[]>()
  let next: Record<string, string> = {}
  for (;;) {
    const { body } = await page(client, { 'list-type': '2', ...next }, [])
    const xml = body.toString()
    for (const entry of elementsOf(xml, 'Contents')) {
      const file = (textOf(entry, 'Key') ?? '').slice(client.prefix.length)
      found.set(file, [{ version: undefined, bytes: Number(textOf(entry, 'Size') ?? 0), isMarker: false }])
    }
    const token = textOf(xml, 'NextContinuationToken')
    if (textOf(xml, 'IsTruncated') !== 'true' || token === undefined) return found
    next = { 'continuation-token': token }
  }
}

function page(
  client: S3Client,
  query: Readonly<Record<string, string>>,
  accepts: readonly number[],
): Promise<S3Answer> {
  return client.ask({
    method: 'GET',
    query: { ...query, prefix: client.prefix },
    needs: accepts.length > 0 ? 's3:ListBucketVersions' : 's3:ListBucket',
    accepts,
  })
}
