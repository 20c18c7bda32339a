/* What the file system alone needs for the guarantees of the host plugin: each file written under another
 * name, flushed, renamed; the folder flushed at the end. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int folder = open(argv[1], O_RDONLY | O_DIRECTORY);
    const int count = atoi(argv[2]);
    for (int i = 0; i < count; ++i) {
        char content[256], temporary[64], name[64];
        const int size =
            snprintf(content, sizeof content,
                     "# file %d\nlisten = 127.0.0.1:%d\nworkers = 4\nlog = /var/log/service-%d.log\n", i,
                     1024 + i % 60000, i);
        snprintf(temporary, sizeof temporary, ".f%06d.tmp", i);
        snprintf(name, sizeof name, "f%06d.conf", i);
        const int file = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (file < 0 || write(file, content, (size_t)size) != size || fsync(file) != 0 || close(file) != 0 ||
            renameat(folder, temporary, folder, name) != 0) {
            perror(name);
            return 1;
        }
    }
    if (fsync(folder) != 0) return 1;
    return 0;
}
