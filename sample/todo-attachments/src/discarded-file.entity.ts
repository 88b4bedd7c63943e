import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The outbox: a file that no todo has any more, and that the storage still has. */
@Entity()
export class DiscardedFile {
  @PrimaryColumn()
  readonly key!: string;

  /** How often the storage was asked in vain to delete it. */
  @Column({ default: 0 })
  readonly attempts!: number;
}
