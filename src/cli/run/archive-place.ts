import type { ArchiveStore } from '../../archive/archive-store.js'
import { DirectoryStore } from '../../archive/directory-store.js'
import { S3Client } from '../../archive/s3/s3-client.js'
import { isS3Place, parseS3Place } from '../../archive/s3/s3-place.js'
import { S3Store } from '../../archive/s3/s3-store.js'
import { resolveObjectStorageOptions } from '../../options/resolve.js'

/** What is at a place for archives: `s3://bucket/prefix`, or a directory. @throws AuditError `AUDIT_INVALID_OPTION` */
export function archivesAt(place: string): ArchiveStore {
  if (!isS3Place(place)) return new DirectoryStore(place)
  return new S3Store(new S3Client(parseS3Place(place), resolveObjectStorageOptions({}, process.env)))
}
