import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsOptional,
  IsString,
  Length,
} from 'class-validator';
import { ROLES, type Page, type Role, type UserView } from '#contracts';
import { Fleet } from '../store/fleet.js';
import { NamePipe, PageQuery, notFound, pageOf } from '../http/index.js';
import { NameField } from '../http/name-field.js';
import { checkScope } from '../auth/check-scope.js';
import { Directory } from './directory.js';
import { Needs } from '../auth/needs.decorator.js';
import { userView } from '../records/user.record.js';
import { UserService } from './user.service.js';

const MIN_SECRET_CHARS = 12;

/** Body of `POST /users`. */
export class UserBody {
  @ApiProperty()
  @NameField()
  name: string;

  @ApiProperty({ enum: ROLES, isArray: true })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(ROLES.length)
  @IsIn(ROLES, { each: true })
  roles: Role[];

  @ApiPropertyOptional({ description: 'label selector: the hosts the user sees and touches' })
  @IsOptional()
  @IsString()
  @Length(1, 2_000)
  selector?: string;

  @ApiProperty({ writeOnly: true, minLength: MIN_SECRET_CHARS })
  @IsString()
  @Length(MIN_SECRET_CHARS, 1_024, { message: 'secret must be 12 to 1024 characters' })
  secret: string;
}

/** Local users. */
@ApiTags('users')
@Controller('v1/users')
export class UserController {
  constructor(
    private readonly directory: Directory,
    private readonly users: UserService,
    private readonly fleet: Fleet,
  ) {}

  @Get()
  @Needs('people:read')
  @ApiOperation({ summary: 'Users, by name' })
  list(@Query() query: PageQuery): Page<UserView> {
    const revision = this.fleet.whole().revision.toString();
    return pageOf(this.directory.users.sorted(), query, revision, ({ record }) => userView(record));
  }

  @Get(':name')
  @Needs('people:read')
  @ApiOperation({ summary: 'A user' })
  get(@Param('name', NamePipe) name: string): UserView {
    const found = this.directory.users.get(name);
    if (found) return userView(found.record);
    throw notFound('user', name);
  }

  @Post()
  @Needs('people:write')
  @ApiOperation({ summary: 'Make a user; the secret is kept as a hash only' })
  create(@Body() body: UserBody): Promise<UserView> {
    checkScope(body.selector);
    return this.users.create(body);
  }

  @Delete(':name')
  @HttpCode(204)
  @Needs('people:write')
  @ApiOperation({ summary: 'Delete a user; its sessions end at once' })
  async delete(@Param('name', NamePipe) name: string): Promise<void> {
    await this.users.delete(name);
  }
}
