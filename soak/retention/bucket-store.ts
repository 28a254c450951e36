import { ACCOUNT, BucketOwner, type Version } from '../object-storage/bucket-owner.js'
import { type Moto, startMoto } from '../object-storage/moto.js'
import type { Store, VersionedPlace } from './place.js'

const BUCKET = 'archives'

/** A bucket with versions and without Object Lock: an attacker with all rights can delete every version. */
export class BucketStore implements Store {
  readonly kind = 'object storage (moto)'
  readonly env: Readonly<Record<string, string>>
  readonly #moto: Moto
  readonly #owner: BucketOwner

  private constructor(moto: Moto) {
    this.#moto = moto
    this.#owner = new BucketOwner(moto.endpoint)
    this.env = { ...ACCOUNT, AWS_ENDPOINT_URL_S3: moto.endpoint }
  }

  /** @throws NotHere when moto is not to be had */
  static async start(): Promise<BucketStore> {
    const moto = await startMoto()
    try {
      const store = new BucketStore(moto)
      await asked(store.#owner.ask('PUT', BUCKET))
      const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
      await asked(store.#owner.ask('PUT', `${BUCKET}?versioning`, {}, versioning))
      return store
    } catch (error) {
      moto.close()
      throw error
    }
  }

  placeOf(trail: string): VersionedPlace {
    return new BucketPlace(this.#owner, trail)
  }

  close(): void {
    this.#moto.close()
  }
}

class BucketPlace implements VersionedPlace {
  readonly name: string
  readonly #owner: BucketOwner
  readonly #prefix: string

  constructor(owner: BucketOwner, prefix: string) {
    this.#owner = owner
    this.#prefix = `${prefix}/`
    this.name = `s3://${BUCKET}/${prefix}`
  }

  async files(): Promise<readonly string[]> {
    const versions = await this.#owner.versions(BUCKET, this.#prefix)
    const seen = versions.filter(({ isLatest, isMarker }) => isLatest && !isMarker)
    return seen.map(({ key }) => key.slice(this.#prefix.length)).toSorted()
  }

  async read(file: string): Promise<Buffer> {
    return Buffer.from(await (await asked(this.#owner.ask('GET', this.#path(file)))).arrayBuffer())
  }

  async write(file: string, bytes: Uint8Array): Promise<void> {
    await this.remove(file)
    await this.cover(file, bytes)
  }

  async remove(file: string): Promise<void> {
    for (const version of await this.#versions(file)) await this.#delete(file, version)
  }

  async cover(file: string, bytes: Uint8Array): Promise<void> {
    await asked(this.#owner.ask('PUT', this.#path(file), {}, bytes))
  }

  async hide(file: string): Promise<void> {
    await asked(this.#owner.ask('DELETE', this.#path(file)))
  }

  async reveal(file: string): Promise<void> {
    const newest = (await this.#versions(file)).find(({ isLatest }) => isLatest)
    if (newest === undefined) throw new Error(`${file} has no version`)
    await this.#delete(file, newest)
  }

  #path(file: string): string {
    return `${BUCKET}/${this.#prefix}${file}`
  }

  async #versions(file: string): Promise<readonly Version[]> {
    const key = this.#prefix + file
    return (await this.#owner.versions(BUCKET, key)).filter((version) => version.key === key)
  }

  async #delete(file: string, { version }: Version): Promise<void> {
    await asked(this.#owner.ask('DELETE', `${this.#path(file)}?versionId=${version}`))
  }
}

async function asked(answer: Promise<Response>): Promise<Response> {
  const response = await answer
  if (!response.ok) throw new Error(`moto answers ${response.status}: ${await response.text()}`)
  return response
}
