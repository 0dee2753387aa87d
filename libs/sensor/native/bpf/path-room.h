/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_PATH_ROOM_H
#define HOSTWARD_PATH_ROOM_H
/* The room in which a path is written (path.h). */
#define HW_PATH_BUFFER 8192
#define HW_PATH_END 4736 /* paths are written backwards from here: PATH_MAX and room for a mount point before it */
#define HW_PATH_LEAST (HW_PATH_END - 4096) /* no path begins before it */

#endif
