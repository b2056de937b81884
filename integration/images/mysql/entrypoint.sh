#!/bin/sh
# Takes MYSQL_ROOT_PASSWORD and MYSQL_DATABASE as the official image does;
# arguments go to mysqld. Debian's defaults, made for one machine, are left out.
set -e
mkdir -p /run/mysqld
chown mysql /run/mysqld /var/lib/mysql
if [ ! -d /var/lib/mysql/mysql ]; then
	mysqld --no-defaults --initialize-insecure --user=mysql
	cat >/var/lib/mysql-files/init.sql <<-END
		CREATE USER 'root'@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD';
		GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
		CREATE DATABASE \`$MYSQL_DATABASE\`;
	END
	chown mysql /var/lib/mysql-files/init.sql
	set -- --init-file=/var/lib/mysql-files/init.sql "$@"
fi
exec mysqld --no-defaults --user=mysql --skip-name-resolve "$@"
