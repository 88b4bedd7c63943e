import {
  Column,
  CreateDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
} from 'typeorm';

@Entity()
export class Todo {
  @PrimaryGeneratedColumn('uuid')
  readonly id!: string;

  @Column()
  title!: string;

  @CreateDateColumn()
  readonly since!: Date;

  @OneToMany(() => Attachment, ({ todo }) => todo)
  readonly attachments?: Attachment[];
}

/** What the database knows about a file that is attached to a todo. Its bytes are in the storage. */
@Entity()
export class Attachment {
  @PrimaryGeneratedColumn('uuid')
  readonly id!: string;

  @ManyToOne(() => Todo, ({ attachments }) => attachments)
  readonly todo?: Todo;

  @Column()
  readonly todoId!: string;

  /** Where the storage has the file. Random, so that two files of one name are two. */
  @Column({ unique: true })
  readonly key!: string;

  @Column()
  readonly name!: string;

  @Column()
  readonly contentType!: string;

  /** Bytes. */
  @Column()
  readonly size!: number;
}
