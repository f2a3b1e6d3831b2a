/**
 * The options of the scheduled functions, as their schedules' events have them, by Iceberg's own names where it has one. What an
 * option means, its unit and its default is in `docs/configuration.md`. An age is a number with a unit: `90m`, `36h`, `5d`.
 */

/** Options of every scheduled function. */
interface CommonOptions {
  /** Reports what would be done, and does nothing. */
  readonly 'dry-run'?: boolean;
}

/** Options of functions that stop before Lambda ends them. */
interface DeadlineOptions extends CommonOptions {
  readonly 'deadline-margin-ms'?: number;
}

/** Options of compaction. */
export interface CompactionOptions extends DeadlineOptions {
  readonly strategy?: 'binpack';
  readonly 'target-file-size-bytes'?: number;
  readonly 'min-file-size-bytes'?: number;
  readonly 'max-file-size-bytes'?: number;
  readonly 'min-input-files'?: number;
  readonly 'max-file-group-size-bytes'?: number;
  readonly 'max-file-group-input-files'?: number;
  readonly 'max-files-to-rewrite'?: number;
  readonly 'max-rewrite-bytes'?: number;
  readonly 'rewrite-job-order'?: string;
  readonly 'partial-progress.enabled'?: boolean;
  readonly 'partial-progress.max-commits'?: number;
  readonly 'max-concurrent-file-group-rewrites'?: number;
  readonly 'use-starting-sequence-number'?: boolean;
  readonly 'delete-file-threshold'?: number;
  readonly 'delete-ratio-threshold'?: number;
  readonly 'rewrite-all'?: boolean;
  readonly 'skip-newest-partitions'?: number;
}

/** Options of snapshot expiry, in the mode that expires snapshots. */
export interface ExpiryOptions extends DeadlineOptions {
  readonly 'older-than'?: string;
  readonly 'retain-last'?: number;
  readonly 'clean-expired-metadata'?: boolean;
  readonly 'min-snapshots-to-expire'?: number;
  readonly 'max-concurrent-deletes'?: number;
}

/** Options of snapshot expiry, in the mode that removes files no snapshot knows. */
export interface OrphanOptions extends DeadlineOptions {
  readonly 'older-than'?: string;
  readonly 'max-concurrent-deletes'?: number;
}

/** Options of retention. */
export interface RetentionOptions extends DeadlineOptions {
  /** The column that says how old a row is. */
  readonly column: string;

  /** The age at which rows go, such as `30d`. */
  readonly retain: string;

  readonly level?: 'partition' | 'file';
  readonly 'measured-from'?: 'newest' | 'clock';
  readonly 'max-removed-ratio'?: number;
}

/** Options of the data-quality function that schedules may set; which checks run is the schedules' own matter. */
export interface DataQualityOptions extends CommonOptions {
  readonly 'remind-after'?: string;
}
